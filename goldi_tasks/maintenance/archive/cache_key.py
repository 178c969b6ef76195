"""A key for a CI's cache step: it changes when what the caches are made from changes."""

import hashlib
import json
from collections.abc import Mapping

from goldi_tasks.dockerfile import parse

# What begins the key of an archive that another version cannot read is another.
FORMAT = 1


def prefix(platform: str) -> str:
    """What all keys of a platform begin with: an older archive is better than none."""
    return f"goldi-{platform.replace('/', '-')}-{FORMAT}-"


def key(platform: str, images: Mapping[str, str], files: Mapping[str, bytes]) -> str:
    """The key for base `images` and lock `files` by their paths; of a Dockerfile comments and layout say nothing."""
    digest = hashlib.sha256(json.dumps(sorted(images.items())).encode())
    for name, content in sorted(files.items()):
        text = _steps(content) if name.rpartition("/")[2].startswith("Dockerfile") else content
        digest.update(f"\0{name}\0{hashlib.sha256(text).hexdigest()}".encode())
    return prefix(platform) + digest.hexdigest()[:16]


def _steps(content: bytes) -> bytes:
    found = parse.instructions(content.decode("utf-8", "replace"))
    return "\n".join("\n".join([" ".join([one.word, *one.rest.split()]), *one.documents]) for one in found).encode()

"""Compute the key for a CI's cache step from the base images, lock files and Dockerfiles, which define the caches."""

import hashlib
import json
from collections.abc import Mapping

from goldi_tasks.dockerfile import parse

# Part of each key. Increase it when older archives cannot be read any more.
FORMAT = 1


def prefix(platform: str) -> str:
    """Return the common prefix of all keys of a platform: with it a CI finds an older archive if no key matches."""
    return f"goldi-{platform.replace('/', '-')}-{FORMAT}-"


def key(platform: str, images: Mapping[str, str], files: Mapping[str, bytes]) -> str:
    """Return the key for the base `images` and the content of `files` by path.

    Comments and whitespace in a Dockerfile do not change it.
    """
    digest = hashlib.sha256(json.dumps(sorted(images.items())).encode())
    for path, content in sorted(files.items()):
        text = _normalize_dockerfile(content) if path.rpartition("/")[2].startswith("Dockerfile") else content
        digest.update(f"\0{path}\0{hashlib.sha256(text).hexdigest()}".encode())
    return prefix(platform) + digest.hexdigest()[:16]


def _normalize_dockerfile(content: bytes) -> bytes:
    """Return the instructions of a Dockerfile with single spaces, without comments."""
    lines = []
    for instruction in parse.instructions(content.decode("utf-8", "replace")):
        lines += [" ".join([instruction.word, *instruction.rest.split()]), *instruction.documents]
    return "\n".join(lines).encode()

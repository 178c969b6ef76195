"""Find the external inputs of a build in the names of the steps in the builder's log.

The log is complete where parsing the Dockerfile is not: it also has the inputs of ONBUILD, frontends and mounts.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

# A name begins with `[internal]` or `[context base]`; where more than one target is built, `[app internal]`.
_IMAGE = re.compile(r"(?:\[[^\]]*\] )?(?:load metadata for|resolve image config for) (?:docker-image://)?(\S+)")
# Steps of a stage have a number: `[app 1/2]`. A download has the name of its ADD instruction.
_STEP = re.compile(r"\[[^\]]*\d+/\d+\] (?P<instruction>.*)", re.DOTALL)
_ADDRESS = re.compile(r"(?:ONBUILD )?ADD .*(?:://|@|github\.com/|\.git\b)", re.DOTALL)
_DIGEST = re.compile(r"(?:FROM |docker-image://)(\S+?)@(sha256:\w+)$")
# Steps without an external input, or whose input another step names.
_OTHER_STEPS = re.compile(
    r"\[(?:[^\]]* )?(?:internal|auth|context [^\]]*)\] |(?:\[[^\]]*\] )?FROM |docker-image://"
    r"|(?:\[[^\]]*\] )?(?:exporting|importing|loading|merging|pushing|sending|unpacking|writing) "
)


@dataclass(frozen=True)
class Sources:
    """The names of the resolved `images`, and `others`: step names or instructions with any other external input.

    `digests` are those in the log, by image name.
    """

    images: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    digests: dict[str, set[str]] = field(default_factory=dict)


def parse(log: Iterable[str]) -> Sources:
    """Return the sources in a log, which consists of the names of steps."""
    sources = Sources()
    for name in log:
        if pinned := _DIGEST.search(name):
            sources.digests.setdefault(plain(pinned[1]), set()).add(pinned[2])
        if image := _IMAGE.fullmatch(name):
            sources.images.add(plain(image[1]))
        elif step := _STEP.match(name):
            sources.others.update({step["instruction"]} if _ADDRESS.match(step["instruction"]) else ())
        elif not _OTHER_STEPS.match(name):
            sources.others.add(name)
    return sources


def plain(reference: str) -> str:
    """Return an image reference as the engine lists it: without `docker.io/library/`, with a tag or digest."""
    name = reference.removeprefix("docker.io/").removeprefix("library/")
    return name if "@" in name or ":" in name.rpartition("/")[2] else f"{name}:latest"

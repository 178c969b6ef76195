"""What a build took from outside of the project, by the names of the steps in the builder's own log.

The log is complete where a reader of Dockerfiles is not: it has what ONBUILD, frontends and odd mounts take, too.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

# Before a name stands `[internal]` or `[context base]`; where more than one target is built, `[app internal]`.
_IMAGE = re.compile(r"(?:\[[^\]]*\] )?(?:load metadata for|resolve image config for) (?:docker-image://)?(\S+)")
# Steps of a stage have their number: `[app 1/2]`. What comes from an address has the name of the ADD that wants it.
_STEP = re.compile(r"\[[^\]]*\d+/\d+\] (?P<instruction>.*)", re.DOTALL)
_ADDRESS = re.compile(r"(?:ONBUILD )?ADD .*(?:://|@|github\.com/|\.git\b)", re.DOTALL)
_DIGEST = re.compile(r"(?:FROM |docker-image://)(\S+?)@(sha256:\w+)$")
# What takes nothing from anywhere, or what the log names elsewhere too.
_PLAIN = re.compile(
    r"\[(?:[^\]]* )?(?:internal|auth|context [^\]]*)\] |(?:\[[^\]]*\] )?FROM |docker-image://"
    r"|(?:\[[^\]]*\] )?(?:exporting|importing|loading|merging|pushing|sending|unpacking|writing) "
)


@dataclass(frozen=True)
class Sources:
    """The names of images that were resolved, and other things from outside by their names in the log.

    `digests` are those that the log gives for images.
    """

    images: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    digests: dict[str, set[str]] = field(default_factory=dict)


def parse(log: Iterable[str]) -> Sources:
    """Read the names of steps."""
    sources = Sources()
    for name in log:
        if pinned := _DIGEST.search(name):
            sources.digests.setdefault(plain(pinned[1]), set()).add(pinned[2])
        if image := _IMAGE.fullmatch(name):
            sources.images.add(plain(image[1]))
        elif step := _STEP.match(name):
            sources.others.update({step["instruction"]} if _ADDRESS.match(step["instruction"]) else ())
        elif not _PLAIN.match(name):
            sources.others.add(name)
    return sources


def plain(reference: str) -> str:
    """Return a reference as the engine lists its images: without the public hub's name, with a tag."""
    name = reference.removeprefix("docker.io/").removeprefix("library/")
    return name if "@" in name or ":" in name.rpartition("/")[2] else f"{name}:latest"

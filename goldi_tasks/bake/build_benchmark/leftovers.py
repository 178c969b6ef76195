"""What builds leave with an engine: images, and records in its builder's cache. Only those made here are removed."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed


@contextmanager
def removed(image: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Afterwards images of the name `image` are gone, and the builder's cache is as it was.

    What others have built meanwhile is taken for ours: they build it again.
    """
    before = _records()
    try:
        yield
    finally:
        tell("cleaning up")
        names = process.capture(
            Command(("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", image))
        ).split()
        if names:
            process.capture(Command(("docker", "image", "rm", "--force", *names)))
        _prune(before)


def _prune(kept: set[str]) -> None:
    left: set[str] = set()
    while (found := _records() - kept) != left:
        # A record goes when nothing is built on it any more, and is kept while it is in use.
        left = found
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(_remove, found))


def _remove(record: str) -> None:
    with suppress(CommandFailed):
        process.capture(Command(("docker", "buildx", "prune", "--all", "--force", "--filter", f"id={record}")))


def _records() -> set[str]:
    """The ids in the builder's cache; `--format` is not in buildx 0.13."""
    return set(
        re.findall(r"^ID:\s+(\S+)", process.capture(Command(("docker", "buildx", "du", "--verbose"))), re.MULTILINE)
    )

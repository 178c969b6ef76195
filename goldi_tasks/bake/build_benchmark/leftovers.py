"""Remove what the benchmark's builds leave in the engine: images, and records in the builder's cache."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed


@contextmanager
def removed(image: str, report: Callable[[str], None]) -> Iterator[None]:
    """Remove images named `image`, and cache records that were added, when the block ends.

    Records of other builds that ran at the same time are removed, too; those are built again.
    """
    records_before = _list_records()
    try:
        yield
    finally:
        report("cleaning up")
        image_names = process.capture(
            Command(("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", image))
        ).split()
        if image_names:
            process.capture(Command(("docker", "image", "rm", "--force", *image_names)))
        _prune(records_before)


def _prune(records_before: set[str]) -> None:
    remaining: set[str] = set()
    while (added := _list_records() - records_before) != remaining:
        # A record that others are built on, or that is in use, cannot be removed yet.
        remaining = added
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(_remove, added))


def _remove(record: str) -> None:
    with suppress(CommandFailed):
        process.capture(Command(("docker", "buildx", "prune", "--all", "--force", "--filter", f"id={record}")))


def _list_records() -> set[str]:
    """Return the ids of the records in the builder's cache; buildx 0.13 has no `--format` for it."""
    return set(
        re.findall(r"^ID:\s+(\S+)", process.capture(Command(("docker", "buildx", "du", "--verbose"))), re.MULTILINE)
    )

"""`cache.verify`: every local cache read, shown on the way, repaired and told."""

from collections.abc import Iterator, Sequence
from functools import partial

from goldi_tasks.cache import oci_layout, repair
from goldi_tasks.cache.repair import Found
from goldi_tasks.errors import CacheRefused
from goldi_tasks.maintenance import progress_line
from goldi_tasks.maintenance.clear_report import shown
from goldi_tasks.paths import Roots
from goldi_tasks.units import format_size


def run(roots: Roots, *, dry: bool) -> list[Found]:
    """Verify all of them and, if not `dry`, repair what is bad. Progress is shown on a terminal's standard error."""
    directories, found = repair.all_of(roots)
    with progress_line.shown(sum(map(oci_layout.size, directories))) as tell:
        for directory in directories:
            one = repair.verify(directory, partial(tell, "reading the caches"))
            if not dry:
                repair.repair(one)
            found.append(one)
    return found


def lines(found: Sequence[Found]) -> Iterator[str]:
    """A line for each cache, and the total."""
    for one in found:
        if one.refused:
            yield shown(one.refused)
        elif one.bad:
            what = oci_layout.INDEX if oci_layout.INDEX in one.bad else f"{len(one.bad)} of {one.blobs} blobs"
            yield shown(f"bad: {what}{', deleted' if one.dropped else ''}  {one.directory}")
        else:
            swept = f", {one.swept} unused files removed" if one.swept else ""
            yield shown(f"good: {one.blobs} blobs, {format_size(one.bytes)}{swept}  {one.directory}")
    looked = [one for one in found if not one.refused]
    bad = sum(bool(one.bad) for one in looked)
    yield f"{len(looked)} local caches, {bad} bad, {format_size(sum(one.bytes for one in looked))} read"


def failure(found: Sequence[Found], *, dry: bool) -> CacheRefused | None:
    """What remains wrong: what was refused, and what is bad where nothing is changed."""
    bad = [one for one in found if one.bad]
    if dry and bad:
        remedy = "Run `inv cache.verify` to delete them: builds create them again"
        return CacheRefused(f"{len(bad)} local caches are damaged", remedy)
    if refused := [one.refused for one in found if one.refused]:
        return CacheRefused(shown(refused[0]), "Remove it yourself if it is in the way")
    return None

"""Run `cache.verify`: read every local cache, show the progress, repair, and report."""

from collections.abc import Iterator, Sequence
from functools import partial

from goldi_tasks.cache import oci_layout, repair
from goldi_tasks.cache.repair import CacheCheck
from goldi_tasks.errors import CacheRefused
from goldi_tasks.maintenance import progress_line
from goldi_tasks.maintenance.clear_report import escape_unprintable
from goldi_tasks.paths import Roots
from goldi_tasks.units import format_size


def verify_caches(roots: Roots, *, dry: bool) -> list[CacheCheck]:
    """Verify all local caches and, unless `dry`, delete damaged ones. A terminal shows the progress."""
    directories, reports = repair.list_local_caches(roots)
    with progress_line.show_progress(sum(map(oci_layout.size, directories))) as report_progress:
        for directory in directories:
            report = repair.verify(directory, partial(report_progress, "reading the caches"))
            if not dry:
                repair.repair(report)
            reports.append(report)
    return reports


def format_reports(reports: Sequence[CacheCheck]) -> Iterator[str]:
    """Yield a line for each cache, and one with the total."""
    for report in reports:
        if report.refused:
            yield escape_unprintable(report.refused)
        elif report.bad:
            damage = (
                oci_layout.INDEX if oci_layout.INDEX in report.bad else f"{len(report.bad)} of {report.blobs} blobs"
            )
            yield escape_unprintable(f"bad: {damage}{', deleted' if report.dropped else ''}  {report.directory}")
        else:
            swept = f", {report.swept} unused files removed" if report.swept else ""
            yield escape_unprintable(
                f"good: {report.blobs} blobs, {format_size(report.bytes)}{swept}  {report.directory}"
            )
    verified = [report for report in reports if not report.refused]
    bad_count = sum(bool(report.bad) for report in verified)
    total = format_size(sum(report.bytes for report in verified))
    yield f"{len(verified)} local caches, {bad_count} bad, {total} read"


def failure(reports: Sequence[CacheCheck], *, dry: bool) -> CacheRefused | None:
    """Return the error for what is still wrong: refused directories, and with `dry` damaged caches."""
    bad_count = sum(bool(report.bad) for report in reports)
    if dry and bad_count:
        remedy = "Run `inv cache.verify` to delete them: builds create them again"
        return CacheRefused(f"{bad_count} local caches are damaged", remedy)
    if refused := [report.refused for report in reports if report.refused]:
        return CacheRefused(escape_unprintable(refused[0]), "Remove it yourself if it is in the way")
    return None

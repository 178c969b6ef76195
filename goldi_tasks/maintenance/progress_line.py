"""Show the progress of a transfer on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ReportProgress = Callable[[str, int], None]


@contextmanager
def show_progress(total: int | None = None) -> Iterator[ReportProgress]:
    """Yield a function to call with a name and the number of bytes done since the last call; only a terminal shows it.

    `total` is in bytes, None if it is unknown.
    """
    if not sys.stderr.isatty():
        yield lambda _name, _bytes: None
        return
    # Imported here: 60 ms, needed on a terminal only.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    name_column = TextColumn("{task.description:<28}", markup=False)
    time_remaining = (TimeRemainingColumn(),) if total else ()
    columns = (name_column, BarColumn(), DownloadColumn(), TransferSpeedColumn(), *time_remaining)
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda name, byte_count: progress.update(task, description=name, advance=byte_count)

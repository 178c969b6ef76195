"""How far it is, on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[str, int], None]


@contextmanager
def shown(total: int | None = None) -> Iterator[Tell]:
    """Gives a function that is told what is at work and how many more bytes are done; only a terminal shows it."""
    if not sys.stderr.isatty():
        yield lambda _name, _bytes: None
        return
    # 60 ms that only a terminal has to pay.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    name_of = TextColumn("{task.description:<28}", markup=False)
    left = (TimeRemainingColumn(),) if total else ()
    columns = (name_of, BarColumn(), DownloadColumn(), TransferSpeedColumn(), *left)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        row = bar.add_task("", total=total)
        yield lambda name, done: bar.update(row, description=name, advance=done)

"""The door between invoke and the rooms: our errors become invoke's, `--dry` reaches run.py."""

import functools
import inspect
import json as json_
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

from invoke.exceptions import Exit
from invoke.tasks import Task
from invoke.tasks import task as invoke_task

from goldi_tasks import invocation, process
from goldi_tasks.errors import GoldiError, Interrupted, UnknownName
from goldi_tasks.tasks import _output
from goldi_tasks.tasks._arguments import CheckedTask


def task(**options: Any) -> Callable[[Callable[..., None]], Task[Callable[..., None]]]:
    """Invoke's `@task(...)`, with failures told in one sentence and the failure's own exit code.

    invoke shows the docstring's first line in `--list`, so a task is a signature, a docstring and a call.
    """

    def wrap(body: Callable[..., None]) -> Task[Callable[..., None]]:
        @functools.wraps(body)
        def told(c: Any, *args: Any, **kwargs: Any) -> None:
            # Programs that this starts are to say the same.
            os.environ.setdefault(invocation.VARIABLE, invocation.command())
            try:
                with _output.quiet(), process.dry(c.config.run.dry):
                    body(c, *args, **kwargs)
            except GoldiError as error:
                raise Exit(f"goldi: {error}", error.code) from error
            except KeyboardInterrupt:
                raise Exit(f"goldi: {Interrupted()}", Interrupted.code) from None

        # invoke reads the command line from this signature.
        told.__signature__ = inspect.signature(body)  # type: ignore[attr-defined]
        return invoke_task(klass=CheckedTask, **options)(told)  # type: ignore[no-any-return]

    return wrap


def after_dashes() -> list[str]:
    """What stands after `--`, word by word: invoke gives it as one text."""
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


def benchmark(rounds: int, json: bool, would: str, measure: Callable[[Callable[[str], None]], Any], table: Any) -> None:
    """Print what `table` makes of what `measure` finds in so many `rounds`; where nothing is run, what it `would` do.

    Raises UnknownName for less than one round.
    """
    if rounds < 1:
        raise UnknownName(f"--rounds must be at least 1, not {rounds}")
    if process.is_dry():
        print(would)
        return
    with redirect_stdout(sys.stderr):
        report = measure(lambda what: print(f"goldi: {what}", flush=True))
    for line in [json_.dumps(table.as_json(report), indent=2)] if json else table.lines(report):
        print(line)

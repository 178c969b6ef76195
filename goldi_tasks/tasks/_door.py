"""The door between invoke and the rooms: our errors become invoke's, `--dry` reaches run.py."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from invoke.exceptions import Exit
from invoke.tasks import Task
from invoke.tasks import task as invoke_task

from goldi_tasks import run
from goldi_tasks.errors import GoldiError, Interrupted


def task(**options: Any) -> Callable[[Callable[..., None]], Task[Callable[..., None]]]:
    """Invoke's `@task(...)`, with failures told in one sentence and the failure's own exit code.

    invoke shows the docstring's first line in `--list`, so a task is a signature, a docstring and a call.
    """

    def wrap(body: Callable[..., None]) -> Task[Callable[..., None]]:
        @functools.wraps(body)
        def told(c: Any, *args: Any, **kwargs: Any) -> None:
            try:
                with run.dry(c.config.run.dry):
                    body(c, *args, **kwargs)
            except GoldiError as error:
                raise Exit(f"goldi: {error}", error.code) from error
            except KeyboardInterrupt:
                raise Exit(f"goldi: {Interrupted()}", Interrupted.code) from None

        # invoke reads the command line from this signature.
        told.__signature__ = inspect.signature(body)  # type: ignore[attr-defined]
        return invoke_task(**options)(told)  # type: ignore[no-any-return]

    return wrap

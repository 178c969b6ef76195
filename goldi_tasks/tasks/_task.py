"""Make tasks for invoke: a failure is one sentence and an exit code, options come from the fields of a request."""

import inspect
import json as json_
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import fields
from pathlib import Path
from typing import Any

from invoke.exceptions import Exit

from goldi_tasks import invocation, process
from goldi_tasks.errors import GoldiError, Interrupted, UnknownName
from goldi_tasks.tasks import _output
from goldi_tasks.tasks._arguments import CheckedTask


class GoldiTask(CheckedTask):
    """A task that ends with a failure's own exit code and sentence; one that `builds` tidies the caches afterwards."""

    builds = False

    def __call__(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]  # invoke declares it so
        """Run the task with the context and its arguments. Raises Exit."""
        # Programs that this starts print the command that was typed, too.
        os.environ.setdefault(invocation.VARIABLE, invocation.command())
        try:
            with _output.quiet(), process.dry(args[0].config.run.dry), self._tidied_after():
                super().__call__(*args, **kwargs)
        except GoldiError as error:
            raise Exit(f"goldi: {error}", error.code) from error
        except KeyboardInterrupt:
            raise Exit(f"goldi: {Interrupted()}", Interrupted.code) from None

    def _tidied_after(self) -> AbstractContextManager[None]:
        if not self.builds:
            return nullcontext()
        from goldi_tasks.maintenance import tidied_after

        return tidied_after(Path.cwd())


def task(
    *, request: Any = None, first: Sequence[str] = (), without: Sequence[str] = (), builds: bool = False, **options: Any
) -> Callable[[Callable[..., None]], GoldiTask]:
    """Make a task as invoke's `@task(...)` does; its docstring's first line is shown in `--list`.

    The options of a dataclass `request` (see BuildRequest) are handed to the function's `**options`: those named
    `first`, then all others but those `without`. They stand between the function's positional and its keyword-only
    parameters.
    """

    def make(body: Callable[..., None]) -> GoldiTask:
        if request:
            own = list(inspect.signature(body).parameters.values())
            found = {one.metadata["option"]: one.metadata for one in fields(request) if "option" in one.metadata}
            names = [*first, *(name for name in found if name not in (*first, *without))]
            middle = [_parameter(name, found[name]["default"]) for name in names]
            positional = [one for one in own if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
            last = [_parameter(one.name, one.default) for one in own if one.kind is inspect.Parameter.KEYWORD_ONLY]
            body.__signature__ = inspect.Signature([*positional, *middle, *last])  # type: ignore[attr-defined]
            options["iterable"] = [name for name in names if found[name]["default"] is None]
            options["help"] = {**{name: found[name]["help"] for name in names}, **options.get("help", {})}
        made = GoldiTask(body, **options)
        made.builds = builds
        return made

    return make


def _parameter(name: str, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)


def after_dashes() -> list[str]:
    """Return what stands after `--`, word by word: invoke gives it as one text."""
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


def print_json(value: object) -> None:
    """Print a value for scripts."""
    print(json_.dumps(value, indent=2), flush=True)


def print_lines(lines: Any, *, json: bool = False) -> None:
    """Print lines for people, with `json` to standard error."""
    for line in lines:
        print(line, file=sys.stderr if json else sys.stdout, flush=True)


def benchmark(rounds: int, json: bool, would: str, measure: Callable[[Callable[[str], None]], Any], table: Any) -> None:
    """Print what `table` makes of what `measure` finds in so many `rounds`; in a dry run what it `would` do.

    Raises UnknownName for less than one round.
    """
    if rounds < 1:
        raise UnknownName(f"--rounds must be at least 1, not {rounds}")
    if process.is_dry():
        print(would)
        return
    with redirect_stdout(sys.stderr):
        report = measure(lambda what: print(f"goldi: {what}", flush=True))
    if json:
        print_json(table.as_json(report))
    else:
        print_lines(table.lines(report))

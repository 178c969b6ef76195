"""Make tasks for invoke that fail with one sentence and an exit code, and take options from a request's fields."""

import inspect
import json as json_
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from invoke.exceptions import Exit

from goldi_tasks import invocation, process
from goldi_tasks.errors import GoldiError, Interrupted, UnknownName
from goldi_tasks.tasks import _output
from goldi_tasks.tasks._arguments import CheckedTask

if TYPE_CHECKING:
    from goldi_tasks.settings import Settings


class GoldiTask(CheckedTask):
    """A task that ends with a GoldiError's message and exit code; with `builds` it tidies the caches afterwards."""

    builds = False

    def __call__(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]  # invoke declares it so
        """Run the task with the context and its arguments. Raises Exit."""
        # Child processes print the command that was typed, too.
        os.environ.setdefault(invocation.VARIABLE, invocation.typed_command())
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
        from goldi_tasks.maintenance import prune_afterwards

        return prune_afterwards(Path.cwd())


def task(
    *, request: Any = None, first: Sequence[str] = (), without: Sequence[str] = (), builds: bool = False, **options: Any
) -> Callable[[Callable[..., None]], GoldiTask]:
    """Make a task as invoke's `@task(...)` does; its docstring's first line is shown in `--list`.

    The options of a dataclass `request` (see BuildRequest) are passed to the function's `**options`: those in `first`,
    then all others except those in `without`. They come between the function's positional and its keyword-only
    parameters. A task that `builds` tidies the caches afterwards.
    """

    def make(body: Callable[..., None]) -> GoldiTask:
        if request:
            parameters = list(inspect.signature(body).parameters.values())
            metadata = {
                field.metadata["option"]: field.metadata for field in fields(request) if "option" in field.metadata
            }
            names = [*first, *(name for name in metadata if name not in (*first, *without))]
            middle = [_parameter(name, metadata[name]["default"]) for name in names]
            positional = [parameter for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
            keyword_only = [parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
            last = [_parameter(parameter.name, parameter.default) for parameter in keyword_only]
            body.__signature__ = inspect.Signature([*positional, *middle, *last])  # type: ignore[attr-defined]
            options["iterable"] = [name for name in names if metadata[name]["default"] is None]
            options["help"] = {**{name: metadata[name]["help"] for name in names}, **options.get("help", {})}
        goldi_task = GoldiTask(body, **options)
        goldi_task.builds = builds
        return goldi_task

    return make


def _parameter(name: str, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)


def load_settings() -> "Settings":
    """Return the settings of the project around the current directory. Raises NotAProject, SettingsError."""
    from goldi_tasks import settings  # 10 ms, which `--list` and `--help` do not need

    return settings.load(Path.cwd())


def after_dashes() -> list[str]:
    """Return the arguments after `--` as a list: invoke has them as one string only."""
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


def print_json(value: object) -> None:
    """Print a value as JSON, for scripts."""
    print(json_.dumps(value, indent=2), flush=True)


def print_result(value: object, lines: Iterable[str], *, json: bool, file: TextIO | None = None) -> None:
    """Print `value` as JSON for scripts, or `lines` for people, to standard output or to `file`."""
    for line in [json_.dumps(value, indent=2)] if json else lines:
        print(line, file=file, flush=True)


def print_lines(lines: Any, *, json: bool = False) -> None:
    """Print lines for people; to standard error if `json` goes to standard output."""
    for line in lines:
        print(line, file=sys.stderr if json else sys.stdout, flush=True)


def benchmark(
    rounds: int, json: bool, dry_run_line: str, measure: Callable[[Callable[[str], None]], Any], formatter: Any
) -> None:
    """Call `measure` with a function that prints progress, and print its report; in a dry run print `dry_run_line`.

    `formatter` is a module with `as_json` and `lines` for the report. Raises UnknownName for less than one round.
    """
    if rounds < 1:
        raise UnknownName(f"--rounds must be at least 1, not {rounds}")
    if process.is_dry():
        print(dry_run_line)
        return
    with redirect_stdout(sys.stderr):
        report = measure(lambda step: print(f"goldi: {step}", flush=True))
    print_result(formatter.as_json(report), formatter.lines(report), json=json)

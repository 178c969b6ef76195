"""Check arguments while invoke parses them, so that `inv` and `goldi` behave alike.

invoke takes the next word as a missing positional argument or as the value of an option, even if that word is an
option: `cache.save --help` would write a file called `--help`.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from invoke.exceptions import Exit
from invoke.parser import Parser
from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext
from invoke.program import Program
from invoke.tasks import Task

from goldi_tasks import invocation
from goldi_tasks.errors import UnknownName, nearest
from goldi_tasks.tasks import _output

_HELP = ("--help", "-h")
_KINDS = {int: "a whole number", float: "a number"}


class CheckedArgument(Argument):
    """An argument that passes each value to `check` before it is set."""

    def __init__(self, argument: Argument, check: Callable[[Argument, str], None]) -> None:
        super().__init__(
            names=argument.names,
            kind=argument.kind,
            default=argument.default,
            help=argument.help,
            positional=argument.positional,
            optional=argument.optional,
            incrementable=argument.incrementable,
            attr_name=argument.attr_name,
        )
        self.check = check
        if self.kind is list:
            # invoke refuses an option without a value only if this is None.
            self.raw_value = None

    def __repr__(self) -> str:
        """Return the option as it is typed, for invoke's messages."""
        return _option(self)

    def set_value(self, value: Any, cast: bool = True) -> None:
        """Set a value from the command line. Raises Exit if it is refused."""
        # Shell completion parses incomplete command lines.
        if self.takes_value and isinstance(value, str) and "--complete" not in sys.argv:
            self.check(self, value)
        super().set_value(value, cast)


class CheckedTask(Task[Callable[..., None]]):
    """A task whose arguments refuse an option in place of a value, and print the task's help for `--help`."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Return the task's arguments as invoke derives them from its signature, each one checked."""
        arguments = super().get_arguments(ignore_unknown_help)

        def check(argument: Argument, value: str) -> None:
            if value in _HELP:
                with _output.quiet():
                    self._print_help(arguments)
                raise Exit(code=0)
            check_number(argument, value)
            if argument.kind not in _KINDS and value.startswith("-") and value != "-":
                _refuse_option(argument, value, self._typed_name(), ParserContext(args=arguments).flag_names())

        return [CheckedArgument(argument, check) for argument in arguments]

    def _print_help(self, arguments: Sequence[Argument]) -> None:
        name = self._typed_name()
        program = Program(binary=invocation.typed_command())
        program.collection = {name: self}  # type: ignore[assignment]  # only lookup by name is used
        program.parser = Parser(contexts=[ParserContext(name, args=arguments)])
        program.print_task_help(name)

    def _typed_name(self) -> str:
        """Return the task's full name from the command line: a task does not know its namespace."""
        arguments = sys.argv[1:]
        arguments = arguments[: arguments.index("--")] if "--" in arguments else arguments
        return next((word for word in reversed(arguments) if word.rpartition(".")[2] == self.name), self.name)


def core_options() -> list[str]:
    """Return invoke's own options, which come before any task."""
    return list(ParserContext(args=Program().core_args()).flag_names())


def check_number(argument: Argument, value: str) -> None:
    """Raise Exit if `argument` needs a number and `value` is none."""
    try:
        if argument.kind in _KINDS:
            argument.kind(value)
    except ValueError:
        refuse(f"{_option(argument)} needs {_KINDS[argument.kind]}, not '{value}'")


def _refuse_option(argument: Argument, value: str, task: str, options: Sequence[str]) -> NoReturn:
    """Raise Exit for an option in the place of the value of `argument`."""
    option = value.partition("=")[0]
    if not argument.positional or option in options:
        refuse(f"{_option(argument)} needs a value, not '{value}'", f"Write a file of that name as ./{value}")
    if option in core_options():
        refuse(f"{option} must come before {task}", f"Write `inv {option} {task}`")
    refuse(f"{task} has no option '{option}'", remedy(option, options, f"See `inv {task} --help`"))


def remedy(word: str, names: Sequence[str], fallback: str) -> str:
    """Return the remedy for a misspelt `word`: the nearest of `names`, or else `fallback`."""
    match = nearest(word, list(names))
    return f"Did you mean '{match}'?" if match else fallback


def refuse(problem: str, advice: str = "") -> NoReturn:
    """Raise Exit for a misspelt command line."""
    raise Exit(f"goldi: {UnknownName(problem, advice)}", UnknownName.code)


def _option(argument: Argument) -> str:
    return f"--{argument.names[0]}"

"""Arguments that are checked while invoke's parser fills them, so that `inv` and `goldi` behave alike.

invoke takes the next word for a missing positional argument or for the value of an option, even if that word is an
option itself: `cache.save --help` would write a file called `--help`.
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
    """An argument that hands each value to `check` before it takes it."""

    def __init__(self, given: Argument, check: Callable[[Argument, str], None]) -> None:
        super().__init__(
            names=given.names,
            kind=given.kind,
            default=given.default,
            help=given.help,
            positional=given.positional,
            optional=given.optional,
            incrementable=given.incrementable,
            attr_name=given.attr_name,
        )
        self.check = check
        if self.kind is list:
            # Only where this is None does invoke refuse an option without its value.
            self.raw_value = None

    def __repr__(self) -> str:
        """Return the option as it is typed, for invoke's messages."""
        return _option(self)

    def set_value(self, value: Any, cast: bool = True) -> None:
        """Take a value from the command line. Raises Exit for one that is refused."""
        # Completion parses what is typed only half.
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
        program = Program(binary=invocation.command())
        program.collection = {name: self}  # type: ignore[assignment]  # no more is asked of it
        program.parser = Parser(contexts=[ParserContext(name, args=arguments)])
        program.print_task_help(name)

    def _typed_name(self) -> str:
        """Return the task's full name, which only the command line and the namespace above know."""
        words = sys.argv[1:]
        words = words[: words.index("--")] if "--" in words else words
        return next((word for word in reversed(words) if word.rpartition(".")[2] == self.name), self.name)


def core_options() -> list[str]:
    """Return invoke's own options, which it takes before any task."""
    return list(ParserContext(args=Program().core_args()).flag_names())


def check_number(argument: Argument, value: str) -> None:
    """Raise Exit for a value that is no number where `argument` needs one."""
    try:
        if argument.kind in _KINDS:
            argument.kind(value)
    except ValueError:
        refuse(f"{_option(argument)} needs {_KINDS[argument.kind]}, not '{value}'")


def _refuse_option(argument: Argument, value: str, task: str, options: Sequence[str]) -> NoReturn:
    """Raise Exit for an option that stands where `argument` needs a value."""
    option = value.partition("=")[0]
    if not argument.positional or option in options:
        refuse(f"{_option(argument)} needs a value, not '{value}'", f"A file of that name is written ./{value}")
    if option in core_options():
        refuse(f"{option} must come before {task}", f"Write `inv {option} {task}`")
    refuse(f"{task} has no option '{option}'", remedy(option, options, f"See `inv {task} --help`"))


def remedy(word: str, known: Sequence[str], otherwise: str) -> str:
    """Return the remedy for a misspelt `word`: the nearest of `known`, or else `otherwise`."""
    near = nearest(word, list(known))
    return f"Did you mean '{near}'?" if near else otherwise


def refuse(problem: str, what_to_do: str = "") -> NoReturn:
    """Raise Exit for a misspelt command line."""
    raise Exit(f"goldi: {UnknownName(problem, what_to_do)}", UnknownName.code)


def _option(argument: Argument) -> str:
    return f"--{argument.names[0]}"

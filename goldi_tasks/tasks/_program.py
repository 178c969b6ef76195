"""Extend invoke's program with our usage errors: the tasks of a namespace, the nearest name, exit code 5."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from invoke.exceptions import Exit, ParseError
from invoke.parser.argument import Argument
from invoke.program import Program

from goldi_tasks.errors import UnknownName, nearest
from goldi_tasks.tasks._arguments import CheckedArgument, check_number, core_options, refuse, remedy

# Messages of invoke's parser. Other messages are printed unchanged.
_UNKNOWN = re.compile(r"No idea what '(?P<word>.*)' is!", re.DOTALL)
_NO_VALUE = re.compile(r"Flag (?P<option>.*) needed value and was not given one!")
_MISSING = re.compile(r"'(?P<task>.*)' did not receive required positional arguments: (?P<names>.*)")
_FORMATS = ("flat", "nested", "json")


class GoldiProgram(Program):
    """The `goldi` command."""

    def core_args(self) -> list[Argument]:
        """Return invoke's own options, with numbers that are checked."""
        return [CheckedArgument(argument, check_number) for argument in super().core_args()]

    def parse_core_args(self) -> None:
        """Parse the options before the first task. Raises Exit."""
        with self._explained():
            super().parse_core_args()

    def parse_tasks(self) -> None:
        """Parse tasks and their arguments. Raises Exit."""
        with self._explained():
            super().parse_tasks()

    def parse_cleanup(self) -> None:
        """Print help or a list if the command line has that option. Raises Exit."""
        namespace, list_format = self.args.list.value, self.args["list-format"].value
        if isinstance(namespace, str) and namespace not in self.collection.collections:
            names = sorted(self.collection.collections)
            refuse(f"there is no namespace '{namespace}'", remedy(namespace, names, f"Known: {', '.join(names)}"))
        if list_format not in _FORMATS:
            refuse(
                f"there is no list format '{list_format}'",
                remedy(list_format, _FORMATS, f"Known: {', '.join(_FORMATS)}"),
            )
        with self._explained():
            super().parse_cleanup()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn invoke's usage errors into ours. Raises Exit."""
        try:
            yield
        except ParseError as error:
            task, message = (error.context and error.context.name) or "", str(error)
            help_on_task = f"See `inv {task} --help`" if task else "See `inv --help`"
            if match := _NO_VALUE.fullmatch(message):
                refuse(f"{match['option']} needs a value", help_on_task)
            if match := _MISSING.fullmatch(message):
                refuse(f"{match['task']} needs {match['names'].replace(chr(39), '').upper()}", help_on_task)
            if not (match := _UNKNOWN.fullmatch(message)):
                raise Exit(f"goldi: {message}", UnknownName.code) from error
            word = match["word"]
            if word.startswith("-"):
                options = list(error.context.flag_names()) if error.context and task else core_options()
                refuse(f"{task or self.binary} has no option '{word}'", remedy(word, options, help_on_task))
            self._refuse_name(word, task)

    def _refuse_name(self, word: str, task: str) -> NoReturn:
        """Raise Exit for a `word` that is no task; `task` is the one before it."""
        if word in self.collection.collections:
            self.list_root, self.scoped_collection = word, self.collection.collections[word]
            self.list_tasks()
            example = f"{word}.{min(self.scoped_collection.tasks)}"
            refuse(f"'{word}' is a namespace", f"Name one of its tasks, such as {example}")
        if word == "help":
            refuse("'help' is no task", "Use `inv --help`, or `inv --help TASK`")
        tasks = sorted(self.parser.contexts)
        if task and not nearest(word, tasks):
            refuse(f"'{word}' is no task, and no value of {task}", f"See `inv {task} --help`")
        refuse(f"there is no task '{word}'", remedy(word, tasks, "See `inv --list`"))

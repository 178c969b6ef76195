"""The command that was typed: messages name tasks as `inv TASK`, and the reader gets what works for him."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import PurePath

# Exported by ./goldi, and by each task for the programs that it starts.
VARIABLE = "GOLDI_COMMAND"
# nox users have `goldi` beside nox, and perhaps no tasks.py.
_BY_PROGRAM = {"goldi": "goldi", "nox": "goldi"}


def command(program: str = "", environ: Mapping[str, str] = os.environ) -> str:
    """Return what comes before a task's name: `inv`, `goldi`, or the path of the ./goldi that was typed."""
    if typed := environ.get(VARIABLE):
        return shlex.quote(typed)
    return _BY_PROGRAM.get(PurePath(program or sys.argv[0]).name, "inv")


def as_typed(text: str) -> str:
    """Return `text` with each `inv TASK` as it is typed here."""
    return text.replace("`inv ", f"`{command()} ") if "`inv " in text else text

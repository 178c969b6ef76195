"""Replace `inv TASK` in messages by the command that was typed."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import PurePath

# Exported by ./goldi, and by each task to the programs that it starts.
VARIABLE = "GOLDI_COMMAND"
# Users of nox have `goldi` installed with it, but perhaps no tasks.py.
_BY_PROGRAM = {"goldi": "goldi", "nox": "goldi"}


def typed_command(program: str = "", environ: Mapping[str, str] = os.environ) -> str:
    """Return what comes before a task's name: `inv`, `goldi`, or the path of the ./goldi that was typed."""
    if typed := environ.get(VARIABLE):
        return shlex.quote(typed)
    return _BY_PROGRAM.get(PurePath(program or sys.argv[0]).name, "inv")


def as_typed(text: str) -> str:
    """Return `text` with `inv` of each `inv TASK` replaced by the command that was typed."""
    return text.replace("`inv ", f"`{typed_command()} ") if "`inv " in text else text

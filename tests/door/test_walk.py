"""The way from a typed command to the program that does it: few frames, no closure; and what `--list` imports."""

import sys

import pytest

from tests.door.conftest import Stage

pytestmark = pytest.mark.door

# Prints the functions of ours between the task and the program, outermost first.
TRACED = """
import sys, traceback
from goldi_tasks import process

def stream(command, **options):
    frames = [frame.f_code for frame, _ in traceback.walk_stack(sys._getframe(1))]
    ours = [code for code in frames if "/goldi_tasks/" in code.co_filename]
    names = [code.co_name for code in ours]
    print("WALK", *reversed(names[: names.index("__call__") + 1]))
    print("FREE", *(name for code in ours for name in code.co_freevars))
    raise KeyboardInterrupt

process.stream = stream
from goldi_tasks.cli import main
main()
"""


def test_a_build_reaches_bake_in_six_frames_without_a_closure(stage: Stage) -> None:
    done = stage.run(sys.executable, "-c", TRACED, "build.prod")
    walk, free = (next(line for line in done.stdout.splitlines() if line.startswith(word)) for word in ("WALK", "FREE"))
    assert walk == "WALK __call__ prod _build build_targets run run_with_progress", done.stderr
    # Python keeps the class of `super()` in a cell.
    assert set(free.split()[1:]) <= {"__class__"}


# What the names, options and docstrings of the tasks need.
LISTED = [
    "goldi_tasks",
    "goldi_tasks.bake",
    "goldi_tasks.bake.build_request",
    "goldi_tasks.cli",
    "goldi_tasks.command",
    "goldi_tasks.errors",
    "goldi_tasks.inside_container",
    "goldi_tasks.invocation",
    "goldi_tasks.paths",
    "goldi_tasks.process",
    "goldi_tasks.tasks",
    "goldi_tasks.tasks._arguments",
    "goldi_tasks.tasks._consent",
    "goldi_tasks.tasks._output",
    "goldi_tasks.tasks._program",
    "goldi_tasks.tasks._task",
    "goldi_tasks.tasks.build",
    "goldi_tasks.tasks.cache",
    "goldi_tasks.tasks.ci",
    "goldi_tasks.tasks.compose",
    "goldi_tasks.tasks.devcontainer",
    "goldi_tasks.tasks.engine",
]
IMPORTS = """
import atexit, sys
atexit.register(lambda: print("IMPORTED", *sorted(name for name in sys.modules if name.startswith("goldi_tasks"))))
from goldi_tasks.cli import main
main()
"""


def test_the_list_of_tasks_imports_no_more_than_it_shows(stage: Stage) -> None:
    done = stage.run(sys.executable, "-c", IMPORTS, "--list")
    line = next(line for line in done.stdout.splitlines() if line.startswith("IMPORTED"))
    assert line.split()[1:] == LISTED

"""Ctrl-C before a task has begun."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.door

# Ctrl-C comes when Python opens the first file whose name ends so.
AT = """
import os, signal, sys
wanted = [True]
def hook(event, arguments):
    if wanted and event == "open" and str(arguments[0]).endswith(sys.argv[0]):
        wanted.clear()
        os.kill(os.getpid(), signal.SIGINT)
sys.argv = sys.argv[1:]
sys.addaudithook(hook)
from goldi_tasks.program import main
main()
"""


@pytest.mark.parametrize("file", ["tasks/cache/look.py", "tasks/engine.py"])
def test_ctrl_c_while_it_is_imported_is_told_as_ever(file: str, tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONPATH": root}
    argv = [sys.executable, "-c", AT, file, "cache.status"]
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "goldi: interrupted.\n")


def test_ctrl_c_before_a_task_begins_has_the_same_code(tmp_path: Path) -> None:
    """Where invoke looks for its configuration then."""
    root = str(Path(__file__).parents[2])
    (tmp_path / "invoke.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n", encoding="utf-8")
    line = "from goldi_tasks.program import main; main()"
    argv = [sys.executable, "-P", "-c", line, "--config", str(tmp_path / "invoke.py"), "cache.status"]
    env = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "goldi: interrupted.\n")

"""Ctrl-C before a task has begun, and while it begins something."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.errors import Interrupted

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
from goldi_tasks.cli import main
main()
"""


@pytest.mark.parametrize("file", ["tasks/cache.py", "tasks/engine.py"])
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
    line = "from goldi_tasks.cli import main; main()"
    argv = [sys.executable, "-P", "-c", line, "--config", str(tmp_path / "invoke.py"), "cache.status"]
    env = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "goldi: interrupted.\n")


@pytest.mark.parametrize("how", ["live", "listen"])
def test_ctrl_c_while_a_program_is_started_ends_the_program(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Slow(subprocess.Popen[bytes]):
        """One whose child runs while it is still being made."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            started.append(self)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Slow)
    command = Command((sys.executable, "-c", f"import time; time.sleep(60); open({str(tmp_path / 'late')!r}, 'w')"))
    with pytest.raises(Interrupted):
        process.run_in_terminal(command) if how == "live" else process.capture_stderr(command)
    assert started[0].poll() is not None, "nobody would have ended it"


def test_ctrl_c_waits_for_what_may_not_be_left_half_begun() -> None:
    def begin() -> None:
        with process.delay_interrupt():
            signal.raise_signal(signal.SIGINT)
            done.append(1)

    done: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        begin()
    assert done
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)

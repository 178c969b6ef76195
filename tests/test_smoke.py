"""infrastructure/docker/scripts/smoke.py, which runs inside builds."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO

pytestmark = pytest.mark.door

SCRIPT = REPO / "infrastructure/docker/scripts/smoke.py"


def run(folder: Path, *names: str) -> tuple[int, str]:
    """The exit code, and the last line on standard error."""
    argv = (sys.executable, "-B", str(SCRIPT), *names)
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, (done.stderr.splitlines() or [""])[-1]


def test_modules_and_attributes_are_those_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("class app:\n    inner = None\n")
    assert run(tmp_path, "own", "own:app", "own:app.inner", "json.decoder") == (0, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def f(:\n", "SyntaxError: "),
        ("import os; os.environ['NO_SUCH']", "KeyError: 'NO_SUCH'"),
        ("raise SystemExit('set DATABASE_URL')", "SystemExit: set DATABASE_URL"),
        ("raise ValueError('one\\ntwo')", "ValueError: one two"),
        ("", "AttributeError: module 'own' has no attribute 'app'"),
    ],
)
def test_what_cannot_be_imported_is_named_in_the_last_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "own.py").write_text(text)
    code, line = run(tmp_path, "json", "own:app")
    assert code == 1
    assert line.startswith(f"smoke test: own:app cannot be imported: {said}")


def test_threads_are_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
    )
    assert run(tmp_path, "own")[0] == 0

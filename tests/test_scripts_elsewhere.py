"""What ruff makes of our scripts in a project that has other rules: nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO

pytestmark = pytest.mark.door

RUFF = str(Path(sys.executable).with_name("ruff"))
OTHER_RULES = """\
[project]
name = "other"
[tool.ruff]
line-length = 60
format.quote-style = "single"
lint.select = ["ALL"]
"""


@pytest.mark.parametrize("config", ["", OTHER_RULES], ids=["none", "other"])
@pytest.mark.parametrize("command", [("check",), ("format", "--check")], ids=["check", "format"])
def test_ruff_of_another_project_leaves_our_scripts_alone(
    tmp_path: Path, config: str, command: tuple[str, ...]
) -> None:
    (tmp_path / "pyproject.toml").write_text(config)
    shutil.copytree(REPO / "infrastructure", tmp_path / "infrastructure", ignore=shutil.ignore_patterns(".env"))
    # It looks for a configuration in the user's home too.
    env = {"HOME": str(tmp_path), "RUFF_NO_CACHE": "true"}
    done = subprocess.run((RUFF, *command), cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

"""pip, npm and compose themselves judge what is read of their settings; uv does in tests/real/test_checks.py."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks import envfile
from goldi_tasks.network import python_indexes
from goldi_tasks.network.config_files import Files
from tests.contract import owners

pytestmark = pytest.mark.contract
COUNT = 300


def test_pip_says_the_same_of_300_configurations_and_installs_alike_with_what_is_handed_over(tmp_path: Path) -> None:
    users = owners.users(tmp_path, COUNT, 15, owners.pip_user)
    judged = owners.ask_pip([(user.environ, user.folder / "venv") for user in users])
    failed, plain = 0, {"HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "PIP_CONFIG_FILE": "/dev/null"}
    installs, told = [], []
    for user, (known, options) in zip(users, judged, strict=True):
        files = Files()
        found = python_indexes.read_pip(user.environ, files)
        if known is None:
            failed += 1
            assert files.problems or "PIP_ISOLATED" in user.environ, user.folder
            continue
        assert found == known, user.folder
        # `pip install` itself does not heed what turns the user's file off for `pip config list`.
        if options and not any(
            "isolated" in key for key in python_indexes._load_pip(user.environ, files, isolated=False)
        ):
            installs.append((user.folder, options))
            told.append((plain | python_indexes.pip_variables(found), tmp_path))
    assert failed < COUNT / 4
    few = slice(0, 40)
    assert len(installs) > len(installs[few])
    for (folder, outside), (_, inside) in zip(installs[few], owners.ask_pip(told[few]), strict=True):
        assert inside, folder
        assert _reachable(inside) == _reachable(outside), folder


def _reachable(options: dict[str, Any]) -> dict[str, Any]:
    """The options, without directories of the host."""
    extra = [one for one in options["extra_index_urls"] if one.startswith("http")]
    return {**options, "extra_index_urls": extra}


@pytest.mark.skipif(not shutil.which("npm"), reason="no npm here; tests/real/test_checks.py has it")
def test_npm_reads_the_same_of_300_configurations(tmp_path: Path) -> None:
    node, program = (str(shutil.which(name)) for name in ("node", "npm"))
    users = owners.users(tmp_path, COUNT, 17, owners.npm_user)
    owners.check_npm(users, owners.ask_npm(users, (node,), program, os.path.realpath(node)))


def test_compose_reads_the_same_of_300_lines_of_an_env_file(tmp_path: Path) -> None:
    lines = owners.env_lines(COUNT, 20)
    judged = owners.ask_compose(lines, tmp_path)
    refused = [name for name, value in judged.items() if value is None]
    assert len(refused) < COUNT / 4
    for name, line in lines.items():
        if name not in refused:
            assert envfile.read(line, owners.ENVIRON).get(name, "UNSET") == judged[name], line
    whole = "".join(line for name, line in lines.items() if name not in refused)
    assert envfile.read(whole, owners.ENVIRON) == {
        name: value for name, value in judged.items() if value not in (None, "UNSET")
    }

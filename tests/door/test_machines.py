"""Machines that are set up oddly: a task does what it does, or says one sentence."""

import sys
from pathlib import Path

import pytest

from tests.door.conftest import Stage

pytestmark = pytest.mark.door

GOLDI = str(Path(sys.executable).with_name("goldi"))
ENVIRONMENTS = {
    "no home": {"HOME": ""},
    "a home that is a file": {"HOME": "/etc/passwd"},
    "a home that is not UTF-8": {"HOME": "/tmp/h\udce9"},
    "state that cannot be written": {"XDG_STATE_HOME": "/proc/x"},
    "ASCII alone": {"LC_ALL": "C", "LANG": "", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "values that are not UTF-8": {
        "PIP_INDEX_URL": "http://u:p\udce9@x/",
        "http_proxy": "\udce9",
        "NPM_TOKEN": "\udce9",
    },
    "addresses that are none": {"http_proxy": "http://[::1", "https_proxy": "@@@", "GOLDI_DEBIAN_MIRROR": "::"},
    "directories for files": {
        "NETRC": "/",
        "PIP_CONFIG_FILE": "/",
        "UV_CONFIG_FILE": "/",
        "NPM_CONFIG_USERCONFIG": "/",
    },
    "no directory for temporary files": {"TMPDIR": "/nonexistent"},
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_odd_environment(stage: Stage, name: str) -> None:
    stage.env |= ENVIRONMENTS[name]
    for task in ("cache.status", "build.prod"):
        done = stage.run("/bin/sh", "-c", '"$@"', "sh", GOLDI, task)
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        assert done.returncode == 0 or "goldi: " in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-"])
def test_closed_streams(stage: Stage, closed: str) -> None:
    for task in ("cache.status", "build.prod"):
        done = stage.run("/bin/sh", "-c", f'"$@" {closed}', "sh", GOLDI, task)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def test_what_the_system_refuses_is_one_sentence_and_its_place_for_who_asks(stage: Stage) -> None:
    stage.env["HOME"] = "/etc/passwd"
    done = stage.run("/bin/sh", "-c", '"$@"', "sh", GOLDI, "--list")
    assert done.returncode == 1
    assert done.stderr.startswith("goldi: /etc/passwd/.invoke")
    assert len(done.stderr.splitlines()) == 1
    stage.env["GOLDI_TRACEBACK"] = "1"
    assert "Traceback" in stage.run("/bin/sh", "-c", '"$@"', "sh", GOLDI, "--list").stderr

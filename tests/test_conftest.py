"""The guard of the first tier guards."""

import os
import subprocess

import pytest

from goldi_tasks import process
from goldi_tasks.command import Command


def test_a_program_started_by_run_fails_the_test() -> None:
    with pytest.raises(pytest.fail.Exception, match="started a program"):
        process.capture(Command(("true",)))
    with pytest.raises(pytest.fail.Exception, match="started a program"):
        process.run_in_terminal(Command(("true",)))


def test_a_program_started_otherwise_fails_the_test() -> None:
    with pytest.raises(pytest.fail.Exception, match="started a program"):
        subprocess.run(["true"], check=True)
    with pytest.raises(pytest.fail.Exception, match="started a program"):
        os.system("true")  # noqa: S605
    with pytest.raises(pytest.fail.Exception, match="started a program"):
        os.spawnv(os.P_WAIT, "/bin/true", ["true"])  # noqa: S606

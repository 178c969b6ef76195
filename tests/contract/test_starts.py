"""One round of the many starts at once of tests/starts.py; `nox -s long-starts` runs hundreds."""

import subprocess
import sys

import pytest

from tests.conftest import REPO

pytestmark = pytest.mark.contract


def test_what_many_make_at_once_appears_whole_and_with_its_owner() -> None:
    done = subprocess.run(
        (sys.executable, "-m", "tests.starts", "--rounds", "1"), cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

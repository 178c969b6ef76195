"""The proof by difference (tests/fingerprint), with few cases; `nox -s long-fingerprint` runs more."""

from pathlib import Path

import pytest

from tests.fingerprint.__main__ import run
from tests.fingerprint.judge import FAILING

pytestmark = pytest.mark.real


def test_what_goldi_makes_is_what_the_builder_makes(tmp_path: Path) -> None:
    # One of them is of a check.
    numbers = [*range(6), *range(14, 20)]
    verdicts = list(run(1, numbers, tmp_path, lambda verdict, case: None))
    assert not [verdict for verdict in verdicts if verdict.word in FAILING]
    assert len([verdict for verdict in verdicts if verdict.word == "ASKED"]) <= 1, verdicts

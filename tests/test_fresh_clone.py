"""The record of test runs in fresh clones."""

from pathlib import Path

from tests import fresh_clone
from tests.fresh_clone import Run


def runs(codes: str) -> list[Run]:
    """A run for each letter: g green, b green and busy, r red."""
    return [Run("abc", code == "b", int(code == "r"), 1.0, 5) for code in codes]


def test_runs_before_a_red_one_do_not_count() -> None:
    assert len(fresh_clone.green_in_a_row(runs("gggrbg"))) == 2
    assert fresh_clone.describe(runs("bbbgggggg")).endswith("is reached")
    assert fresh_clone.describe(runs("gggggggbb")).endswith("is not reached")
    assert fresh_clone.describe(runs("bbbggggg" + "r")).startswith("0 green")


def test_the_output_is_read() -> None:
    text = (
        "2723 passed in 99.01s\nFAILED tests/real/test_a.py::test_b[x y] - assert\nERROR tests/real/test_c.py::test_d\n"
        "1 failed, 190 passed, 7 errors in 9s\nnox > * suite: failed\nnox > * host: success\n"
    )
    failures = ["suite", "tests/real/test_a.py::test_b[x", "tests/real/test_c.py::test_d"]
    assert fresh_clone.read_output(text) == (2913, failures)


def test_results_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    assert fresh_clone.load(file) == []
    file.write_text('{"commit": "abc", "busy": true, "code": 0, "seconds": 1.5, "passed": 3}\n')
    assert fresh_clone.load(file) == [Run("abc", True, 0, 1.5, 3)]

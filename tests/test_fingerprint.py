"""The record of the proof by difference, and what its cases are made of."""

from pathlib import Path
from random import Random

from tests.fingerprint import __main__ as program
from tests.fingerprint import project
from tests.fingerprint.judge import Verdict


def verdict(number: int, word: str, asked: str = "") -> Verdict:
    return Verdict(number, word, "an edit", (), asked)


def test_figures_add_up_and_the_next_call_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    assert program.next_number(program.load(file), 1) == 0
    program.record(file, "abc", 1, 0, [verdict(0, "BUILT"), verdict(1, "STALE"), verdict(2, "ASKED", "why")], 1.0)
    program.record(file, "abc", 1, 3, [verdict(3, "BUILT")], 1.0)
    program.record(file, "abc", 2, 0, [verdict(0, "UP-TO-DATE")], 1.0)
    lines = program.load(file)
    assert program.next_number(lines, 1) == 4
    assert (lines[0]["failing"], lines[0]["asked"]) == ({"STALE": [1]}, {"why": 1})
    assert all(sum(line["verdicts"].values()) == line["cases"] for line in lines)
    *_, total = program.describe(lines)
    assert total.split(maxsplit=2) == ["all", "5", "1 STALE, 1 ASKED, 1 UP-TO-DATE, 2 BUILT"]


def test_the_same_number_gives_the_same_lines() -> None:
    names = ("1:7", "1:7", "1:8")
    made = [[project.pattern(random) for _ in range(20)] for random in map(Random, names)]
    assert made[0] == made[1]
    assert made[0] != made[2]

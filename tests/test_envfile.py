"""The file that tells compose of this machine; the contract tests hold it against a shell and compose."""

from pathlib import Path

import pytest

from goldi_tasks import envfile


def test_merge_keeps_other_lines() -> None:
    assert envfile.merge("", {"A": "1"}) == "A=1\n"
    assert envfile.merge("# note\nA=0\nB=2\n", {"A": "1"}) == "# note\nB=2\nA=1\n"
    assert envfile.merge("B=2\n", {}) == "B=2\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [("/tmp", "A=/tmp"), ("/a, ü", "A='/a, ü'"), ("it's $1", 'A="it\'s \\$1"'), ("", "A="), ("a#b", "A='a#b'")],
)
def test_what_would_be_misread_is_quoted(value: str, text: str) -> None:
    assert envfile.format_line("A", value) == text


def test_what_is_there_is_not_written_again(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert envfile.write(file, {"A": "1", "B": "2"})
    before = file.stat()
    assert not envfile.write(file, {"B": "2"})
    assert not envfile.write(file, {"B": "2", "A": "1"})
    # Not all of it: that it was read shows too.
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert envfile.write(file, {"A": "3"})
    assert file.read_text() == "B=2\nA=3\n"

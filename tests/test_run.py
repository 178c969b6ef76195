import pytest

from goldi_tasks import process
from goldi_tasks.command import Command


def test_a_dry_run_shows_the_command_and_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with process.dry(True):
        assert process.is_dry()
        process.run_in_terminal(Command(("docker", "a b"), env={"X": "1"}, secrets={"S": "hunter2"}))
    assert capsys.readouterr().out == "X=1 S=*** docker 'a b'\n"
    assert not process.is_dry()


def test_a_dry_run_ends_with_its_block_whatever_happens() -> None:
    with pytest.raises(ValueError, match="x"), process.dry(True):
        raise ValueError("x")
    assert not process.is_dry()

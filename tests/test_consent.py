"""Consent to what deletes data or writes over a file."""

import io
from contextlib import suppress
from pathlib import Path

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from goldi_tasks import engine
from goldi_tasks.engine import EnginePaths, daemon
from goldi_tasks.errors import UnknownName
from goldi_tasks.tasks import engine as tasks
from goldi_tasks.tasks._consent import confirm


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "agreed"), [("y\n", True), ("Yes\n", True), ("n\n", False), ("", False)])
def test_a_terminal_is_asked(
    typed: str, agreed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    if agreed:
        confirm("all is lost", yes=False)
    else:
        with pytest.raises(Exit) as caught:
            confirm("all is lost", yes=False)
        assert caught.value.code == 1
    assert capsys.readouterr() == ("", "all is lost. Go on? [y/N] ")


def test_without_a_terminal_only_yes_is_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(UnknownName, match=r"^all is lost\. Use --yes if that is what you want, or sleep\.$"):
        confirm("all is lost", yes=False, alternative="sleep")
    confirm("all is lost", yes=True)
    confirm("", yes=False)


def test_a_purge_says_whose_engine_it_deletes(tmp_path: Path) -> None:
    place = EnginePaths(*(tmp_path / name for name in ("opt", "data", "run")))
    assert daemon.find_loss(place) == ""
    place.data.mkdir()
    loss = daemon.find_loss(place)
    assert f"the engine of {place.data}, which `inv engine.up` made for every project" in loss
    assert "all images, containers and data volumes" in loss


def test_the_engine_is_purged_only_with_consent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, purged = EnginePaths(*(tmp_path / name for name in ("opt", "data", "run"))), list[bool]()
    place.data.mkdir()
    monkeypatch.setattr(engine, "DEFAULT_PATHS", place)
    monkeypatch.setattr(daemon, "down", lambda place, *, purge: purged.append(purge))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    for options in ({"purge": True}, {"purge": True, "yes": True}, {}):
        with suppress(Exit):
            tasks.down(Context(), **options)
        purged.append(False)
    assert purged == [False, True, False, False, False]

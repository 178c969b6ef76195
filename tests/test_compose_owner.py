"""Which checkout a stack and its volumes belong to."""

from pathlib import Path
from typing import Any

import pytest

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.compose import stack_owner
from goldi_tasks.compose.containers import Container
from goldi_tasks.errors import StackRefused
from goldi_tasks.settings import Settings


def container(folder: Path | str) -> Container:
    return Container("id", "name", "running", "Up", "bears:latest", "", "bears", "web", str(folder))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A checkout, and state of its user."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "here/.git").mkdir(parents=True)
    return Settings(tmp_path / "here")


def test_a_stack_belongs_to_the_checkout_that_its_compose_file_is_in(here: Settings, tmp_path: Path) -> None:
    worktree = here.project / "trees/other"
    worktree.mkdir(parents=True)
    (worktree / ".git").write_text("gitdir: elsewhere\n")
    ours = (here.project, here.project / "infrastructure/docker", "")
    stack_owner.expect_ours(here, "bears", [container(folder) for folder in ours])
    for folder in (worktree, worktree / "infrastructure/docker"):
        folder.mkdir(exist_ok=True, parents=True)
        with pytest.raises(StackRefused, match=rf"^the stack 'bears' belongs to {folder}\. Take it down there"):
            stack_owner.expect_ours(here, "bears", [container(folder)])
    gone = r"belongs to .*/gone\. That directory no longer exists: run `docker compose --project-name bears down`"
    with pytest.raises(StackRefused, match=gone):
        stack_owner.expect_ours(here, "bears", [container(tmp_path / "gone")])


def test_data_of_another_checkout_are_not_used(here: Settings, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stack_owner.expect_not_theirs(here, [VOLUME])
    stack_owner.remember(here, [VOLUME], [])
    stack_owner.expect_not_theirs(here, [VOLUME])
    stack_owner.remember(Settings(tmp_path / "other"), [VOLUME], [])
    with pytest.raises(StackRefused, match=f"^the volume bears_data holds data of {tmp_path}/other\\. Set COMPOSE_"):
        stack_owner.expect_not_theirs(here, [VOLUME])
    (tmp_path / "other").rmdir()
    stack_owner.expect_not_theirs(here, [VOLUME])


VOLUME = {"Name": "bears_data", "CreatedAt": "2026-11-27T07:00:00Z"}
LATER = VOLUME | {"CreatedAt": "2026-11-27T08:00:00Z"}


@pytest.mark.parametrize(
    ("made", "volume", "held", "said"),
    [
        ("here", VOLUME, [], []),
        ("", VOLUME, ["here"], []),
        ("", VOLUME, [], ["bears_data"]),
        # Another one of the same name.
        ("here", LATER, [], ["bears_data"]),
        ("other", VOLUME, [], "other"),
        ("here", VOLUME, ["other"], "other"),
        ("", VOLUME, ["here", "other"], "other"),
        # The checkout that made it has been deleted.
        ("gone", VOLUME, [], ["bears_data"]),
    ],
)
def test_a_volume_belongs_to_who_made_it_or_holds_it(
    here: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    made: str,
    volume: dict[str, Any],
    held: list[str],
    said: list[str] | str,
) -> None:
    (tmp_path / "other").mkdir()

    def capture(command: Command) -> str:
        assert f"volume={volume['Name']}" in command.argv
        return "".join(f"{tmp_path / name}\n" for name in held)

    monkeypatch.setattr(process, "capture", capture)
    if made:
        stack_owner.remember(Settings(tmp_path / made), [VOLUME], [])
    # It was there when somebody else came.
    stack_owner.remember(Settings(tmp_path / "third"), [VOLUME], [VOLUME])
    if isinstance(said, list):
        assert stack_owner.find_unknown_volumes(here, [volume]) == said
    else:
        with pytest.raises(StackRefused, match=f"^the volume bears_data belongs to {tmp_path / said}"):
            stack_owner.find_unknown_volumes(here, [volume])

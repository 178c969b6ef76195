from pathlib import Path

import pytest

from goldi_tasks.checks import environment

HOME = Path("/home/somebody")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "main/.git/worktrees/w").mkdir(parents=True)
    (tmp_path / "main/app").mkdir()
    return tmp_path / "main"


def test_a_project_without_git_is_mounted_alone(tmp_path: Path) -> None:
    assert environment.find_mounted_trees(tmp_path, HOME) == (tmp_path,)


def test_the_whole_work_tree_is_mounted(top: Path) -> None:
    assert environment.find_mounted_trees(top, HOME) == (top,)
    assert environment.find_mounted_trees(top / "app", HOME) == (top,)


def test_a_home_that_is_a_work_tree_is_not(top: Path) -> None:
    assert environment.find_mounted_trees(top / "app", top) == (top / "app",)
    assert environment.find_mounted_trees(top / "app", top / "home/me") == (top / "app",)


@pytest.mark.parametrize("said", ["{}", "../main/.git/worktrees/w"])
def test_a_worktree_brings_the_directory_that_git_keeps_it_in(top: Path, said: str) -> None:
    tree = top.parent / "tree"
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {said.format(top / '.git/worktrees/w')}\n")
    (top / ".git/worktrees/w/commondir").write_text("../..\n")
    assert environment.find_mounted_trees(tree, HOME) == (tree, top / ".git")


def test_a_submodule_brings_its_own(top: Path) -> None:
    (top / ".git/modules/sub").mkdir(parents=True)
    (top / "sub").mkdir()
    (top / "sub/.git").write_text("gitdir: ../.git/modules/sub\n")
    assert environment.find_mounted_trees(top / "sub", HOME) == (top / "sub", top / ".git/modules/sub")


@pytest.mark.parametrize("text", ["", "gitdir: ../gone\n", "\udcff"])
def test_a_broken_pointer_brings_nothing(top: Path, text: str) -> None:
    (top / "app/.git").write_text(text, errors="surrogateescape")
    assert environment.find_mounted_trees(top / "app", HOME)[0] == top / "app"


def test_a_directory_made_anew_is_another_one(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    assert environment.identities([folder]) == ((),)
    folder.mkdir()
    before = environment.identities([folder])
    assert environment.identities([folder]) == before
    folder.rename(tmp_path / "old")
    folder.mkdir()
    assert environment.identities([folder]) != before
    (tmp_path / "link").symlink_to(folder)
    assert environment.identities([tmp_path / "link"]) == ((),)

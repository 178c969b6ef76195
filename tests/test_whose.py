"""Whose a place is: who could have put there what we find, and what is done about it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from goldi_tasks import ownership, settings, state
from goldi_tasks.cache import cache_directories
from goldi_tasks.errors import CacheRefused, NoPermission
from goldi_tasks.paths import CACHES, Roots
from goldi_tasks.settings.default_root import choose
from tests.test_cache_dirs import may_give

gives = pytest.mark.skipif(not may_give(), reason="only root with his capabilities can give files away")
Places = tuple[Path, Path]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """What stands for /tmp and for /var/tmp."""
    for name in ("tmp", "var"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o1777)
    return tmp_path / "tmp", tmp_path / "var"


def own(places: Places) -> Path:
    return places[1] / f"goldi-{os.getuid()}"


def test_the_usual_root_where_all_names_are_free_or_ours(places: Places) -> None:
    assert choose(*places) == (places[0], "")
    cache_directories.set_up(Roots(places[0]))
    assert choose(*places) == (places[0], "")


@gives
@pytest.mark.parametrize("name", [cache.name for cache in CACHES])
def test_a_name_that_is_taken_moves_all(places: Places, name: str) -> None:
    (places[0] / name).mkdir()
    os.chown(places[0] / name, 4242, 4242)
    told = f"{places[0] / name} belongs to user 4242: your caches are in {own(places)}"
    assert choose(*places) == (own(places), told)


@pytest.mark.parametrize("kind", ["is a symbolic link", "is not a directory"])
def test_what_is_no_directory_takes_a_name_too(places: Places, kind: str) -> None:
    taken = places[0] / "npm-cache"
    taken.symlink_to("nowhere") if "link" in kind else taken.touch()
    assert choose(*places) == (own(places), f"{taken} {kind}: your caches are in {own(places)}")


def test_once_made_it_stays_and_that_is_told_once(
    places: Places, capsys: pytest.CaptureFixture[str], make_project: Callable[..., Path]
) -> None:
    taken = places[0] / "npm-cache"
    taken.touch()
    for _ in range(2):
        root, moved = choose(*places)
        cache_directories.ensure(Roots(root, moved=moved), root / "mypy-cache" / "key")
    assert capsys.readouterr().err == f"goldi: {taken} is not a directory: your caches are in {own(places)}\n"
    assert (own(places).stat().st_mode & 0o7777, own(places).stat().st_uid) == (0o700, os.getuid())
    taken.unlink()
    assert choose(*places) == (own(places), "")


def test_who_was_told_is_no_other_project(make_project: Callable[..., Path]) -> None:
    """A container is found again by what the settings say."""
    project = make_project()
    assert repr(settings.Settings(project, moved="told")) == repr(settings.Settings(project))


@gives
def test_under_sudo_it_is_the_callers(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    (places[0] / "npm-cache").mkdir()
    monkeypatch.setenv("SUDO_UID", "4242")
    monkeypatch.setenv("SUDO_GID", "4243")
    root, moved = choose(*places)
    assert (root, moved) == (
        places[1] / "goldi-4242",
        f"{places[0] / 'npm-cache'} belongs to user 0: your caches are in {root}",
    )
    cache_directories.set_up(Roots(root, moved=moved))
    assert (root.stat().st_uid, root.stat().st_gid) == (4242, 4243)


@pytest.mark.parametrize("kind", ["file", "link", pytest.param("another's", marks=gives)])
def test_a_root_of_ones_own_that_is_not_ones_own_is_refused_where_it_is_needed(places: Places, kind: str) -> None:
    mine = own(places)
    if kind == "link":
        mine.symlink_to(places[0])
    else:
        mine.touch() if kind == "file" else mine.mkdir()
    if kind == "another's":
        os.chown(mine, 4242, 4242)
    assert choose(*places) == (places[0], "")
    (places[0] / "pip-cache").touch()
    said = {"file": "is not a directory", "link": "is a symbolic link", "another's": "belongs to user 4242"}[kind]
    with pytest.raises(CacheRefused, match=f"pip-cache is not a directory, and {mine} {said}. Choose a directory of"):
        choose(*places)


def test_it_costs_sixteen_looks_at_most(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []
    real = Path.lstat

    def look(path: Path) -> os.stat_result:
        looks.append(path)
        return real(path)

    monkeypatch.setattr(Path, "lstat", look)
    choose(*places)
    assert len(looks) <= 16


def test_a_root_that_was_chosen_is_the_root(make_project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldi_tasks.settings.default_root.choose", lambda: (Path("/var/tmp/goldi-1"), "told"))
    assert settings.load(make_project(name="one"), {}).roots == Roots(Path("/var/tmp/goldi-1"), moved="told")
    assert settings.load(make_project('cache-root = "/x"', name="two"), {}).roots == Roots(Path("/x"))
    assert settings.outside({"GOLDI_CACHE_ROOT": "/tmp"}).roots == Roots(Path("/tmp"))


@pytest.mark.parametrize("mode", [0o777, 0o707, 0o770 if os.getuid() == 0 else 0o702])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_nothing_is_made_where_others_can_write(tmp_path: Path, mode: int, depth: int) -> None:
    loose = tmp_path / "loose"
    root = loose.joinpath(*("below", "it")[:depth])
    loose.mkdir()
    loose.chmod(mode)
    with pytest.raises(CacheRefused, match=f"others may write to {loose}. Run `chmod go-w '{loose}'`, or choose"):
        cache_directories.set_up(Roots(root))
    assert not list(loose.iterdir())
    loose.chmod(mode | 0o1000)
    cache_directories.set_up(Roots(root))


def test_a_link_that_leads_where_others_can_write_is_followed_by_the_look(tmp_path: Path) -> None:
    (tmp_path / "loose/root").mkdir(parents=True)
    (tmp_path / "loose").chmod(0o777)
    (tmp_path / "link").symlink_to("loose/root")
    with pytest.raises(CacheRefused, match=f"others may write to {tmp_path / 'loose'}. Run"):
        cache_directories.ensure(Roots(tmp_path / "link"), tmp_path / "link/pip-cache")


@gives
def test_nothing_is_made_below_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 4242, 4242)
    with pytest.raises(CacheRefused, match=f"{tmp_path / 'theirs'} belongs to user 4242. Choose another root"):
        cache_directories.set_up(Roots(tmp_path / "theirs/root"))


@gives
def test_the_link_that_leads_there_is_not_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    os.lchown(tmp_path / "link", 4242, 4242)
    with pytest.raises(CacheRefused, match=f"{tmp_path / 'link'} belongs to user 4242"):
        cache_directories.set_up(Roots(tmp_path / "link"))


@gives
def test_a_users_own_group_is_nobody_else(tmp_path: Path) -> None:
    """With it umask is 002 on many systems."""
    tmp_path.chmod(0o775)
    for uid, gid, others in ((4242, 4242, False), (4242, 4243, True), (0, 0, True)):
        os.chown(tmp_path, uid, gid)
        assert ownership.is_writable_by_others(tmp_path.stat()) is others
    os.chown(tmp_path, 4242, 4242)
    tmp_path.chmod(0o777)
    assert ownership.is_writable_by_others(tmp_path.stat())


@pytest.mark.parametrize("loose", ["", "goldi", "goldi/checks", "goldi/checks/key"])
def test_no_state_is_kept_or_read_where_others_can_write(tmp_path: Path, loose: str) -> None:
    home = tmp_path / "state"
    (home / "goldi/checks/key").mkdir(parents=True)
    environ = {"XDG_STATE_HOME": str(home)}
    assert state.folder("checks", "key", environ=environ) == home / "goldi/checks/key"
    (home / loose).chmod(0o777)
    with pytest.raises(NoPermission, match=r"Run `chmod go-w '.*'`, or choose .* with XDG_STATE_HOME"):
        state.folder("checks", "key", environ=environ)


@pytest.mark.parametrize("loose", ["infrastructure/docker", "infrastructure/docker/.env"])
def test_what_others_could_have_written_does_not_name_the_images(make_project: Callable[..., Path], loose: str) -> None:
    project = make_project()
    (project / "infrastructure/docker/.env").write_text("PYTHON_IMAGE=localhost/trojan\n")
    found = settings.load(project, {})
    assert "trojan" in found.made_images
    (project / loose).chmod(0o777)
    with pytest.raises(NoPermission, match=f"others may write to {project / loose}"):
        _ = found.made_images


@gives
def test_env_is_the_callers_or_the_projects(make_project: Callable[..., Path]) -> None:
    project = make_project()
    file = project / "infrastructure/docker/.env"
    file.write_text("PYTHON_IMAGE=localhost/mine\n")
    os.chown(file, 4242, 4242)
    found = settings.load(project, {})
    with pytest.raises(NoPermission, match=r"\.env belongs to user 4242"):
        _ = found.made_images
    # Who works as root in a container, in his own checkout.
    for path in (project, file.parent):
        os.chown(path, 4242, 4242)
    assert "mine" in found.made_images


@gives
@pytest.mark.parametrize("how", ["home", "state", "here"])
def test_root_trusts_whom_it_works_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """A CI's container: root, in a workspace and a home that are the runner's."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 4242, 4242)
    monkeypatch.setenv("HOME", "/")
    assert ownership.find_problem(theirs / "caches", "another")
    if how == "here":
        monkeypatch.chdir(theirs)
    else:
        monkeypatch.setenv("HOME" if how == "home" else "XDG_STATE_HOME", str(theirs / "not yet there"))
    assert ownership.find_problem(theirs / "caches", "another") is None
    os.chown(theirs, 4242, 4242)
    theirs.chmod(0o777)
    assert ownership.find_problem(theirs / "caches", "another"), "anybody may write there"

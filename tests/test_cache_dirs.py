import os
import re
from pathlib import Path

import pytest

from goldi_tasks import ownership, paths
from goldi_tasks.cache import cache_directories
from goldi_tasks.errors import CacheRefused
from goldi_tasks.paths import CACHES, TAG_FILE, Roots


def may_give() -> bool:
    """Whether this process has CAP_CHOWN, which root has not in a tools container."""
    status = Path("/proc/self/status")
    found = re.search(r"^CapEff:\s+(\S+)", status.read_text() if status.exists() else "", re.MULTILINE)
    return bool(found and int(found[1], 16) & 1)


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can hand a directory over")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "caches"


def mode(path: Path) -> int:
    return path.lstat().st_mode & 0o7777


def test_every_directory_is_made_private_and_tagged(root: Path) -> None:
    cache_directories.set_up(Roots(root))
    assert {path.name for path in root.iterdir()} == {cache.name for cache in CACHES}
    for path in (root, *root.iterdir()):
        assert mode(path) == 0o700
    for cache in CACHES:
        assert cache_directories.has_cache_tag(root / cache.name)
        assert (root / cache.name / TAG_FILE).read_text() == paths.TAG_TEXT
        assert mode(root / cache.name / TAG_FILE) == 0o600


def test_again_changes_nothing_and_mends_what_is_gone(root: Path) -> None:
    cache_directories.set_up(Roots(root))
    before = (root / "pip-cache" / TAG_FILE).stat().st_mtime_ns
    (root / "pip-cache" / "wheel").touch()
    (root / "uv-cache" / TAG_FILE).unlink()
    (root / "npm-cache" / TAG_FILE).unlink()
    (root / "npm-cache").rmdir()
    cache_directories.set_up(Roots(root))
    assert (root / "pip-cache" / TAG_FILE).stat().st_mtime_ns == before
    assert (root / "pip-cache" / "wheel").exists()
    assert cache_directories.has_cache_tag(root / "uv-cache")
    assert cache_directories.has_cache_tag(root / "npm-cache")


@pytest.mark.parametrize("name", ["with space", "üñí", "a,b", "deep/er"])
def test_roots_of_any_name(tmp_path: Path, name: str) -> None:
    cache_directories.set_up(Roots(tmp_path / name))
    assert cache_directories.has_cache_tag(tmp_path / name / "ruff-cache")


def test_the_root_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    cache_directories.set_up(Roots(tmp_path / "link"))
    assert cache_directories.has_cache_tag(tmp_path / "real" / "pip-cache")


def test_a_root_that_was_there_keeps_its_mode(root: Path) -> None:
    root.mkdir()
    root.chmod(0o1777)
    cache_directories.set_up(Roots(root))
    assert mode(root) == 0o1777


@pytest.mark.parametrize("where", ["pip-cache", ".buildx-cache-tools"])
def test_a_link_is_refused_and_not_followed(root: Path, tmp_path: Path, where: str) -> None:
    root.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (root / where).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CacheRefused, match=f"{where} is a symbolic link. Remove it, or choose another root"):
        cache_directories.set_up(Roots(root))
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_dangling_link_is_refused_too(root: Path) -> None:
    root.mkdir()
    (root / "pip-cache").symlink_to("nowhere")
    with pytest.raises(CacheRefused, match="is a symbolic link"):
        cache_directories.set_up(Roots(root))
    assert not (root / "nowhere").exists()


def test_a_directory_of_somebody_else_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache_directories.set_up(Roots(root))
    monkeypatch.setattr(ownership, "owner", lambda: (os.getuid() + 1, os.getgid()))
    with pytest.raises(CacheRefused, match=f"belongs to user {os.getuid()}"):
        cache_directories.set_up(Roots(root))


@pytest.mark.parametrize("loose", [0o770, 0o707, 0o1777, 0o720])
def test_a_directory_that_others_may_write_to_is_refused_and_left_as_it_is(root: Path, loose: int) -> None:
    folder = root / "mypy-cache"
    folder.mkdir(parents=True)
    folder.chmod(loose)
    with pytest.raises(CacheRefused, match=r"others may write to .*mypy-cache\. Run `chmod go-w"):
        cache_directories.set_up(Roots(root))
    assert mode(folder) == loose
    assert not list(folder.iterdir())


def test_a_directory_of_ours_that_others_may_read_is_fine_and_stays_as_it_is(root: Path) -> None:
    folder = root / "mypy-cache"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    cache_directories.set_up(Roots(root))
    assert mode(folder) == 0o755
    assert cache_directories.has_cache_tag(folder)


def test_a_file_in_the_place_is_refused(root: Path) -> None:
    root.mkdir()
    (root / "npm-cache").write_text("mine")
    with pytest.raises(CacheRefused, match="npm-cache is not a directory"):
        cache_directories.set_up(Roots(root))
    assert (root / "npm-cache").read_text() == "mine"


@pytest.mark.parametrize("inner", ["", "below"])
def test_a_root_that_is_a_file_is_refused(root: Path, inner: str) -> None:
    root.touch()
    with pytest.raises(CacheRefused, match="Choose another root with GOLDI_CACHE_ROOT"):
        cache_directories.set_up(Roots(root / inner))


def test_what_was_here_before_us_is_never_marked(root: Path) -> None:
    folder = root / "goldilocks-venv"
    folder.mkdir(parents=True)
    (folder / "precious").touch()
    cache_directories.set_up(Roots(root))
    assert not cache_directories.has_cache_tag(folder)


def test_a_tag_that_is_a_link_is_none(root: Path, tmp_path: Path) -> None:
    cache_directories.set_up(Roots(root))
    tag = root / "pip-cache" / TAG_FILE
    tag.rename(tmp_path / "tag")
    tag.symlink_to(tmp_path / "tag")
    assert not cache_directories.has_cache_tag(root / "pip-cache")


@pytest.mark.parametrize("text", ["", "Signature: 0", "# Signature: 8a477f597d28d172789f06886806bc55"])
def test_a_file_of_the_tags_name_is_no_tag(tmp_path: Path, text: str) -> None:
    (tmp_path / TAG_FILE).write_text(text)
    assert not cache_directories.has_cache_tag(tmp_path)


def test_ensure_makes_and_checks_all_between(root: Path) -> None:
    wanted = root / ".buildx-cache-tools" / "bears-01234567" / "native"
    cache_directories.ensure(Roots(root), wanted)
    cache_directories.ensure(Roots(root), wanted)
    assert [mode(folder) for folder in (wanted, *wanted.parents[:2])] == [0o700] * 3
    assert cache_directories.has_cache_tag(root / ".buildx-cache-tools")
    assert not list(wanted.iterdir())


def test_ensure_follows_no_link_at_any_depth(root: Path, tmp_path: Path) -> None:
    cache_directories.set_up(Roots(root))
    (tmp_path / "elsewhere").mkdir()
    (root / "mypy-cache" / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CacheRefused, match="is a symbolic link"):
        cache_directories.ensure(Roots(root), root / "mypy-cache" / "key" / "native")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_owner_is_the_caller() -> None:
    assert ownership.owner() == (os.getuid(), os.getgid())


def test_under_sudo_the_owner_is_who_called_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", "4242")
    monkeypatch.setenv("SUDO_GID", "4243")
    assert ownership.owner() == (4242, 4243)


def test_sudo_to_an_ordinary_user_leaves_that_user_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """`sudo -u worker goldi cache.setup`: only root could give a directory to who called."""
    monkeypatch.setattr(os, "getuid", lambda: 1001)
    monkeypatch.setattr(os, "getgid", lambda: 1001)
    monkeypatch.setenv("SUDO_UID", "1000")
    monkeypatch.setenv("SUDO_GID", "1000")
    assert ownership.owner() == (1001, 1001)


@pytest.mark.skipif(not may_give(), reason="only root with his capabilities can give files away")
def test_under_sudo_what_is_made_is_handed_over(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "4242")
    monkeypatch.setenv("SUDO_GID", "4243")
    cache_directories.set_up(Roots(root))
    for path in (root, *root.iterdir(), *root.glob(f"*/{TAG_FILE}")):
        assert (path.stat().st_uid, path.stat().st_gid) == (4242, 4243)
    cache_directories.set_up(Roots(root))


@needs_root
def test_under_sudo_a_directory_of_roots_is_refused_and_not_given_away(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache_directories.set_up(Roots(root))
    monkeypatch.setenv("SUDO_UID", "4242")
    with pytest.raises(CacheRefused, match="belongs to user 0"):
        cache_directories.set_up(Roots(root))
    assert (root / "pip-cache").stat().st_uid == 0

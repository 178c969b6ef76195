"""Saving caches to a file and restoring them from it, on the file system."""

import errno
import io
import os
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks import atomic
from goldi_tasks.cache import cache_directories
from goldi_tasks.errors import CacheRefused, NoSpace
from goldi_tasks.maintenance.archive import link_rules, mount_agent, packer, restore_archive, save_archive, staging
from goldi_tasks.maintenance.archive.archive_manifest import Entry
from goldi_tasks.maintenance.archive.packer import ArchiveWriter, zstd
from goldi_tasks.paths import BY_NAME, TAG_FILE
from goldi_tasks.settings import Settings
from tests import archives
from tests.archives import entry, folder, link, make

UV, RUFF, BUILD = (BY_NAME[name] for name in ("uv-cache", "ruff-cache", ".buildx-cache-production"))


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    """A project with caches."""
    return machine(tmp_path, "here")


@pytest.fixture
def there(tmp_path: Path) -> Settings:
    """Another checkout on another machine."""
    return machine(tmp_path, "there")


def machine(tmp_path: Path, name: str) -> Settings:
    chosen = Settings(tmp_path / name / "bears", cache_root=tmp_path / name / "root")
    for cache in (UV, RUFF, BUILD):
        cache_directories.ensure(chosen.roots, chosen.roots.path(cache, chosen.key))
    return chosen


def put(settings: Settings, cache: Any, path: str, text: str) -> Path:
    file = settings.roots.path(cache, settings.key) / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def saved(settings: Settings, file: Path, caches: Iterable[Any] = (UV, RUFF, BUILD)) -> save_archive.Saved:
    return save_archive.save(settings, tuple(caches), archives.PLATFORM, None, str(file))


def restored(settings: Settings, file: Path, *names: str) -> restore_archive.Restored:
    return restore_archive.restore(settings, names, archives.PLATFORM, None, file)


def test_what_was_saved_is_put_under_the_others_own_key(here: Settings, there: Settings, tmp_path: Path) -> None:
    assert here.key != there.key
    put(here, UV, "wheels/a.whl", "wheel").chmod(0o4775)
    put(here, RUFF, "0.1/x" * 30, "x" * 1_000_000)
    put(here, BUILD, "native/index.json", "{}")
    put(there, UV, "wheels/old.whl", "old")
    put(there, UV, "gone", "old")
    other = put(there, BUILD, "linux-arm64/index.json", "other")
    shared = there.roots.folder(UV)
    before = shared.stat().st_ino
    saved(here, tmp_path / "archive")
    found = restored(there, tmp_path / "archive")
    assert [part.name for part in found.parts] == ["uv-cache", "ruff-cache", ".buildx-cache-production"]
    assert shared.stat().st_ino == before
    assert sorted(path.name for path in shared.iterdir()) == [TAG_FILE, "wheels"]
    assert [path.name for path in (shared / "wheels").iterdir()] == ["a.whl"]
    assert stat.S_IMODE((shared / "wheels/a.whl").stat().st_mode) == 0o755
    assert len((there.roots.path(RUFF, there.key) / ("0.1/x" * 30)).read_text()) == 1_000_000
    assert (there.roots.path(BUILD, there.key) / "native/index.json").read_text() == "{}"
    assert other.read_text() == "other"


def test_only_what_is_named_is_restored(here: Settings, there: Settings, tmp_path: Path) -> None:
    put(here, UV, "a", "new")
    put(here, RUFF, "a", "new")
    kept = put(there, RUFF, "a", "old")
    saved(here, tmp_path / "archive")
    found = restored(there, tmp_path / "archive", "uv-cache")
    assert [part.name for part in found.not_restored] == ["ruff-cache"]
    assert kept.read_text() == "old"


def test_any_tar_lists_an_archive(here: Settings, tmp_path: Path) -> None:
    put(here, UV, "ü/" + "long" * 40, "content")
    saved(here, tmp_path / "archive")
    with zstd().open(tmp_path / "archive") as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
        names = {member.name: member.size for member in tar}
    assert names["caches/uv-cache/ü/" + "long" * 40] == 7
    assert list(names)[-1] == "goldi-manifest.json"


def test_what_is_left_out_is_told(here: Settings, tmp_path: Path) -> None:
    top = here.roots.folder(UV)
    put(here, UV, "f", "f")
    (top / "in").symlink_to(top / "f")
    (top / "mounted").symlink_to("/cache/uv/f")
    (top / "out").symlink_to("/usr/bin/python3")
    (top / "up").symlink_to("../uv-cache/f")
    os.mkfifo(top / "fifo")
    (Path(os.fsdecode(os.fsencode(top) + b"/\xff"))).touch()
    found = saved(here, tmp_path / "archive", (UV,))
    kept = {one.path: one.target for one in found.parts[0].entries}
    assert kept == {"f": "", "in": "f", "mounted": "f"}
    assert found.left_out == {
        "that are links out of their cache": 2,
        "that are no file, directory or link": 1,
        "with a name that is no text, or too long": 1,
    }


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_no_half_archive_by_its_name(
    here: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    put(here, UV, "a", "a")
    old = tmp_path / "archive"
    old.write_text("old")

    def fail(self: ArchiveWriter, manifest: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(ArchiveWriter, "end", fail)
    with pytest.raises(NoSpace if number == errno.ENOSPC else CacheRefused):
        saved(here, old)
    assert old.read_text() == "old"
    assert not list(tmp_path.glob(".archive*"))


def test_ctrl_c_leaves_nothing(
    here: Settings, there: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(here, UV, "a", "new")
    saved(here, tmp_path / "archive")
    put(there, UV, "a", "old")
    before = archives.snapshot(there.cache_root)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(staging, "commit", interrupt)
    with pytest.raises(KeyboardInterrupt):
        restored(there, tmp_path / "archive", "uv-cache")
    assert archives.snapshot(there.cache_root) == before
    monkeypatch.setattr(ArchiveWriter, "end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        saved(here, tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "here", "there"]


@pytest.mark.parametrize("steps", range(5))
def test_a_kill_in_the_middle_is_finished_by_the_next(
    there: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """After each of the renames everything stops: nothing is removed or undone."""
    for name in ("both", "gone", "too"):
        put(there, UV, name, "old")
    file = tmp_path / "archive"
    file.write_bytes(make(("uv-cache", [entry("both", b"new"), entry("first", b"new")])))
    left = [steps]

    class Killed(BaseException):
        pass

    def counted(work: Any) -> Any:
        def do(*args: Any, **options: Any) -> None:
            if args[0] != "journal.new":
                if not left[0]:
                    raise Killed
                left[0] -= 1
            work(*args, **options)

        return do

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", counted(os.rename))
        patch.setattr(staging, "exchange", counted(atomic.exchange))
        settle, calls = staging._recover, [0]

        def once(*args: Any) -> None:
            calls[0] += 1
            # The first one clears what was there before us.
            return None if calls[0] else settle(*args)

        patch.setattr(staging, "_recover", once)
        if steps < 4:
            with pytest.raises(Killed):
                restored(there, file)
        else:
            restored(there, file)
    assert list(there.roots.folder(UV).glob(".goldi-restore-*"))
    saved(there, tmp_path / "next", (UV,))
    found = {path.name: path.read_text() for path in there.roots.folder(UV).iterdir() if path.name != TAG_FILE}
    assert found == {"both": "new", "first": "new"}


def test_a_kill_while_unpacking_is_cleared_by_the_next(there: Settings, tmp_path: Path) -> None:
    put(there, UV, "a", "old")
    half = there.roots.folder(UV) / ".goldi-restore-all.d"
    (half / "new").mkdir(parents=True)
    (half / "new" / "a").write_text("ne")
    (half / "journal.new").write_text("{")
    before = archives.snapshot(there.roots.folder(UV) / "..")
    saved(there, tmp_path / "archive", (UV,))
    after = archives.snapshot(there.roots.folder(UV) / "..")
    assert before.keys() - after.keys()
    assert (there.roots.folder(UV) / "a").read_text() == "old"
    assert not half.exists()


def test_where_names_cannot_be_exchanged_three_renames_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").mkdir()
    handle = os.open(tmp_path, os.O_RDONLY)
    for call in (atomic._renameat2(), None):
        monkeypatch.setattr(atomic, "_renameat2", lambda call=call: call)
        kind = (tmp_path / "a").is_file()
        atomic.exchange("a", handle, "b", handle)
        assert (tmp_path / "a").is_dir() == kind
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    os.close(handle)


REFUSED = {
    "nothing": b"",
    "absolute": make(("uv-cache", [entry("/etc/x")])),
    "up": make(("uv-cache", [folder("a"), entry("a/../../x")])),
    "below a link": make(("uv-cache", [link("a", "b"), entry("a/x")])),
    "below a file": make(("uv-cache", [entry("a"), entry("a/x")])),
    "below nothing": make(("uv-cache", [entry("a/x")])),
    "twice": make(("uv-cache", [entry("a"), entry("a")])),
    "link out": make(("uv-cache", [link("a", "../x")])),
    "link away": make(("uv-cache", [link("a", "/etc")])),
    "link through another": make(("uv-cache", [folder("d"), link("d/l", ".."), link("x", "d/l/..")])),
    "device": make(("uv-cache", [(["c", "a", 0o644, 1, 0, 0], b"")])),
    "unknown cache": make(("other", [entry("a")])),
    "the mark": make(("uv-cache", [entry(TAG_FILE)])),
    "a staging directory": make(("uv-cache", [folder(".goldi-restore-x")])),
    "wrong digest": make(("uv-cache", [([*entry("a")[0][:-1], "0" * 64], b"")])),
    "more than it says": make(("uv-cache", [entry("a", b"a"), (entry("b")[0], b"x" * 512)])),
    "bomb": make(("uv-cache", [entry("a")]), edit=archives._bomb),
    "format": make(edit=lambda said: said.update(format=2)),
    "platform": make(edit=lambda said: said.update(platform="linux/arm64")),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(there: Settings, tmp_path: Path, what: str) -> None:
    put(there, UV, "a", "old")
    before = archives.snapshot(tmp_path)
    file = tmp_path.with_suffix(".archive")
    file.write_bytes(REFUSED[what])
    with pytest.raises(CacheRefused, match=r"^the archive is refused: .*\. Save it again"):
        restored(there, file)
    assert archives.snapshot(tmp_path) == before


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo"])
def test_what_is_no_file_is_refused(there: Settings, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(CacheRefused, match=str(path)):
        restored(there, path)


def test_too_little_space(there: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "archive"
    file.write_bytes(archives.good())
    found = os.statvfs(tmp_path)

    class Full:
        f_bavail, f_frsize = 1, found.f_frsize

    monkeypatch.setattr(os, "statvfs", lambda _: Full)
    with pytest.raises(NoSpace):
        restored(there, file)


@pytest.mark.parametrize(
    ("path", "target", "kept"),
    [
        ("a", "b", "b"),
        ("a/b", "../c", "../c"),
        ("a/b", "../../c", None),
        ("a", "b/../c", None),
        ("a/b/c", "/cache/uv/x/y", "../../x/y"),
        ("a", "/cache/uv", "."),
        ("a", "/cache/uvx", None),
        ("a", "/cache/uv/../x", None),
        ("a", "", None),
    ],
)
def test_links(path: str, target: str, kept: str | None) -> None:
    assert link_rules.get_saved_target(path, target, ("/cache/uv",)) == kept


@pytest.mark.parametrize("size", [0, 5, 8**11])
def test_headers_are_what_tar_reads(size: int) -> None:
    for one in (
        Entry("f", "a/" + "ü" * 120, 0o644, 1 << 33, size, uid=65534, gid=42),
        Entry("f", "x" * 99, 0o755, 0, size),
        *(Entry("f", "a" * length, 0o644, 1, size) for length in (100, 101, 102, 984, 985, 986, 987)),
    ):
        data = packer.head(one.path, one)
        start = len(data) - packer.BLOCK
        info = tarfile.TarInfo.frombuf(data[start:], "utf-8", "strict")
        if start:
            with tarfile.open(fileobj=io.BytesIO(data + packer.END), mode="r|") as tar:
                info = next(iter(tar))
        assert (info.name, info.size, info.mtime, info.mode) == (one.path, one.size, one.mtime, one.mode)
        assert (info.uid, info.gid) == (one.uid, one.gid)


class TestAgent:
    """What runs inside a throw-away build, on directories in the place of mounts."""

    @pytest.fixture
    def mounts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(mount_agent, "TAKEN", str(tmp_path / "in/mounts.tar"))
        monkeypatch.setattr(mount_agent, "__file__", str(tmp_path / "in/agent.py"))
        (tmp_path / "in").mkdir()
        for number in range(2):
            (tmp_path / "mounts" / str(number)).mkdir(parents=True)
        return tmp_path / "mounts"

    def test_what_is_taken_is_what_is_given(self, mounts: Path) -> None:
        (mounts / "0/d").mkdir(mode=0o700)
        (mounts / "0/d/f").write_text("f")
        (mounts / "0/g").hardlink_to(mounts / "0/d/f")
        (mounts / "0/l").symlink_to("d/f")
        os.mkfifo(mounts / "0/fifo")
        before = archives.snapshot(mounts / "0")
        assert mount_agent.main("take", str(mounts)) == 0
        (mounts / "0/d/f").write_text("changed")
        (mounts / "0/new").touch()
        assert mount_agent.main("give", str(mounts)) == 0
        del before["fifo"]
        assert archives.snapshot(mounts / "0") == before
        assert not (mounts / "0/g").samefile(mounts / "0/d/f")

    @pytest.mark.parametrize("steps", range(7))
    def test_a_kill_in_the_middle_is_settled(self, mounts: Path, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
        for name in ("a", "b"):
            (mounts / "0" / name).write_text("old")
        assert mount_agent.main("take", str(mounts)) == 0
        for name in ("a", "b"):
            (mounts / "0" / name).write_text("new")
        left, rename = [steps], Path.rename

        class Killed(BaseException):
            pass

        def counted(self: Path, target: Path) -> Path:
            if not left[0]:
                raise Killed
            left[0] -= 1
            return rename(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", counted)
            if steps < 5:
                with pytest.raises(Killed):
                    mount_agent.main("give", str(mounts))
            else:
                mount_agent.main("give", str(mounts))
        mount_agent._recover(mounts / "0")
        found = {path.name: path.read_text() for path in (mounts / "0").iterdir()}
        assert found in ({"a": "old", "b": "old"}, {"a": "new", "b": "new"})
        assert (found["a"] == "old") == (steps >= 3)

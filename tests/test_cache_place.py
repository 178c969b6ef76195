from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks import process
from goldi_tasks.cache import file_system
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed
from goldi_tasks.paths import Roots

# As proc_pid_mountinfo(5) has it: optional fields before the dash, spaces and backslashes in octal.
MOUNTINFO = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
25 22 0:22 / /tmp rw,nosuid shared:5 master:2 - tmpfs tmpfs rw,size=100k
26 25 254:1 / /tmp/disk rw - xfs /dev/vdb rw
27 22 0:30 / /mnt/with\\040space rw - btrfs /dev/vdc rw
28 22 0:31 / /mnt/über rw - zfs pool rw
29 22 0:32 / /srv rw - ext4 /dev/vdd rw
30 29 0:33 / /srv rw - overlay overlay rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/nowhere/else", "ext4"),
        ("/tmp", "tmpfs"),
        ("/tmp/caches", "tmpfs"),
        ("/tmp/disk", "xfs"),
        ("/tmp/disk/a/b", "xfs"),
        ("/tmp/diskette", "tmpfs"),
        ("/tmpfoo", "ext4"),
        ("/mnt/with space/x", "btrfs"),
        ("/mnt/über/x", "zfs"),
        ("/srv/x", "overlay"),
    ],
)
def test_the_longest_mount_point_wins_and_of_equals_the_last(path: str, kind: str) -> None:
    assert file_system.file_system(Path(path), MOUNTINFO) == kind


def test_no_mounts_are_no_failure() -> None:
    assert file_system.file_system(Path("/x"), "") == ""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[str, ...]]]:
    """Sets which docker subcommands fail and how; returns the list that calls are written to."""

    def fake(**failures: str) -> list[tuple[str, ...]]:
        calls: list[tuple[str, ...]] = []

        def capture(command: Command, **_: Any) -> str:
            calls.append(command.argv[1:])
            if command.argv[1] in failures:
                raise CommandFailed(failures[command.argv[1]], 1)
            return ""

        monkeypatch.setattr(process, "capture", capture)
        return calls

    return fake


def test_an_engine_that_mounts_the_root_sees_it(tmp_path: Path, asked: Callable[..., list[tuple[str, ...]]]) -> None:
    calls = asked()
    assert file_system.engine_sees(tmp_path)
    assert [call[0] for call in calls] == ["import", "create", "rm", "rmi"]
    assert not list(tmp_path.iterdir())


def test_an_engine_that_does_not_find_the_source_does_not_see_it(
    tmp_path: Path, asked: Callable[..., list[tuple[str, ...]]]
) -> None:
    said = "docker create: invalid mount config for type bind: bind source path does not exist: /x"
    calls = asked(create=said)
    assert not file_system.engine_sees(tmp_path)
    assert [call[0] for call in calls] == ["import", "create", "rmi"]
    assert not list(tmp_path.iterdir())
    assert [
        text for text in file_system.list_warnings(Roots(tmp_path)) if f"the engine does not see {tmp_path}" in text
    ]


@pytest.mark.parametrize("failing", ["import", "create"])
def test_where_nothing_is_known_nothing_is_said(
    tmp_path: Path, asked: Callable[..., list[tuple[str, ...]]], failing: str
) -> None:
    asked(**{failing: "docker: Cannot connect to the Docker daemon"})
    assert file_system.engine_sees(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_tmpfs_is_told_with_the_remedy(
    tmp_path: Path, asked: Callable[..., list[tuple[str, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked()
    monkeypatch.setattr(file_system, "file_system", lambda *_: "tmpfs")
    assert [text for text in file_system.list_warnings(Roots(tmp_path)) if "set GOLDI_CACHE_ROOT to a disk" in text]
    monkeypatch.setattr(file_system, "file_system", lambda *_: "ext4")
    assert file_system.list_warnings(Roots(tmp_path)) == []

"""What holds for every file of the repository."""

import stat
import subprocess

import pytest

from tests.conftest import REPO

pytestmark = pytest.mark.contract

# Put together here, so that this file does not name them either.
HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("ghcr", "io"),
        ("quay", "io"),
    )
]


def git(*arguments: str) -> list[str]:
    """The NUL-separated answer of a git command."""
    done = subprocess.run(("git", *arguments, "-z"), cwd=REPO, capture_output=True, check=True)
    return [name for name in done.stdout.decode().split("\0") if name]


def test_no_file_names_a_host_to_download_from() -> None:
    """An index or a mirror is the machine's to choose; locks have hashes and no addresses."""
    found = []
    for name in git("ls-files"):
        path = REPO / name
        text = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found += [f"{name}: {host}" for host in HOSTS if host.encode() in text]
    assert found == []


def test_scripts_are_executable_in_git_and_on_disk() -> None:
    for entry in git("ls-files", "--stage"):
        mode, name = entry.split()[0], entry.partition("\t")[2]
        path = REPO / name
        if not path.is_file() or not path.read_bytes().startswith(b"#!"):
            assert mode in {"100644", "120000"} or not path.exists(), f"{name} is executable and no script"
            continue
        assert mode == "100755", f"{name} is not executable in git"
        assert path.stat().st_mode & stat.S_IXUSR, f"{name} is not executable"


def test_the_scripts_that_people_and_builds_start_are_there() -> None:
    scripts = ("infrastructure/docker/setup-cache.sh", "infrastructure/docker/scripts/online.sh", ".ci/run", "goldi")
    for name in scripts:
        assert (REPO / name).read_bytes().startswith(b"#!/bin/sh\n")


def test_what_a_machine_writes_is_ignored() -> None:
    for name in ("infrastructure/docker/.env", ".devcontainer/.local/ready"):
        assert name not in git("ls-files")
        assert subprocess.run(("git", "check-ignore", "--quiet", name), cwd=REPO, check=False).returncode == 0

"""Nothing to do is said at once, and never wrongly: the builder is the judge."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.conftest import GOLDI, Project, docker

pytestmark = pytest.mark.real

COPIES = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS production
ARG APP
COPY . /all
"""


@pytest.fixture
def project(tiny: Project) -> Project:
    """A tiny project whose image holds its whole context, built, and known to be so."""
    (tiny.path / "infrastructure/docker/Dockerfile").write_text(COPIES)
    (tiny.path / "infrastructure/docker/Dockerfile.dockerignore").write_text("ignored*\n*.log\n!kept.log\n")
    (tiny.path / "file").write_text("one")
    (tiny.path / "ignored").write_text("one")
    (tiny.path / "other.log").write_text("one")
    (tiny.path / "kept.log").write_text("one")
    (tiny.path / "folder").mkdir()
    (tiny.path / "link").symlink_to("file")
    # A change as young as the build is not trusted to be all of it.
    time.sleep(2.1)
    tiny.goldi("build.prod")
    assert "up to date" in tiny.goldi("build.prod")
    return tiny


def image_id(project: Project) -> str:
    return docker("image", "inspect", "--format", "{{.Id}}", project.image)


def back_in_time(path: Path) -> None:
    """Another content of the same length, with the times of before."""
    before = path.stat()
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def swap(path: Path) -> None:
    (path / "link").unlink()
    (path / "link").symlink_to("folder")


EDITS: dict[str, Callable[[Path], object]] = {
    "content": lambda path: (path / "file").write_text("two"),
    "content with the old time": lambda path: back_in_time(path / "file"),
    "mode": lambda path: (path / "file").chmod(0o755),
    "rename": lambda path: (path / "file").rename(path / "other"),
    "link": swap,
    "removed": lambda path: (path / "file").unlink(),
    "empty directory": lambda path: (path / "new").mkdir(),
    "directory's mode": lambda path: (path / "folder").chmod(0o700),
    "hard link": lambda path: os.link(path / "file", path / "again"),
    "kept file": lambda path: (path / "kept.log").write_text("two"),
    "ignored file": lambda path: (path / "ignored").write_text("two"),
    "ignored by a pattern": lambda path: (path / "other.log").write_text("two"),
    "only the time": lambda path: os.utime(path / "file", (1, 1)),
    "ignore file": lambda path: (path / "infrastructure/docker/Dockerfile.dockerignore").write_text("*.log\n"),
    "root": lambda path: (path / "pyproject.toml").write_text('[project]\nname = "tinier"\n[tool.goldi]\n'),
}


# It compares sizes and times before contents (tonistiigi/fsutil), and copies into directories that are there.
MISSED_BY_THE_BUILDER = ("content with the old time", "directory's mode")


@pytest.mark.parametrize("name", EDITS)
def test_the_verdict_is_the_builders(project: Project, name: str) -> None:
    before = image_id(project)
    EDITS[name](project.path)
    said = project.goldi("build.prod")
    asked = project.goldi("build.prod", "--force")
    assert "up to date" not in asked
    if image_id(project) != before:
        assert "up to date" not in said, "an outdated image was called up to date"
    elif name not in MISSED_BY_THE_BUILDER:
        assert "up to date" in said, "the builder was asked in vain"


def test_a_removed_or_another_image_is_built_again(project: Project) -> None:
    docker("image", "rm", "--force", project.image)
    assert "up to date" not in project.goldi("build.prod")
    assert "up to date" in project.goldi("build.prod")
    base = re.findall(r"PYTHON_IMAGE=(\S+)", (project.path / "infrastructure/docker/.env").read_text())[0]
    docker("tag", base, f"{project.image}:latest")
    assert "up to date" not in project.goldi("build.prod")


def test_settings_and_arguments_are_inputs(project: Project) -> None:
    assert "up to date" not in project.goldi("build.prod", GOLDI_INSTALLER="pip")
    assert "up to date" not in project.goldi("build.prod", "--no-cache")
    assert "up to date" not in project.goldi("build.prod", "--set", "production.args.APP=x")


def test_a_change_during_the_build_is_seen_by_the_next_one(tiny: Project) -> None:
    """Even one that was taken back: between two equal looks the builder may have seen another file."""
    (tiny.path / "slow").write_text("2\n")
    time.sleep(2.1)
    process = tiny.start(GOLDI, "build.prod", "--progress", "plain")
    time.sleep(1.5)
    (tiny.path / "new").touch()
    (tiny.path / "new").unlink()
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "up to date" not in tiny.goldi("build.prod")

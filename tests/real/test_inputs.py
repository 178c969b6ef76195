"""Nothing to do is said at once, and never wrongly: the builder is the judge."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.conftest import GOLDI, REPOSITORY, Project, docker

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("builder_only")]

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


# What CI has time for; the others are run by hand.
OFTEN = ("content", "content with the old time", "mode", "removed", "ignored file", "only the time", "root")


@pytest.mark.parametrize(
    "name", [name if name in OFTEN else pytest.param(name, marks=pytest.mark.by_hand) for name in EDITS]
)
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


PACKAGE = ("__init__.py", "build/b.py", "dist/d.py", "docs/page.md", "tests/t.py", "templates/page.md", "x.log")


def test_all_of_a_package_is_in_the_image_but_for_secrets_which_is_told(tiny: Project) -> None:
    folder = tiny.path / "infrastructure/docker"
    ours = REPOSITORY / "infrastructure/docker/Dockerfile.dockerignore"
    (folder / "Dockerfile.dockerignore").write_bytes(ours.read_bytes())
    (folder / "Dockerfile").write_text("ARG PYTHON_IMAGE\nFROM ${PYTHON_IMAGE} AS production\nCOPY app /app\n")
    for name in (*PACKAGE, ".env", "__pycache__/x.pyc"):
        (tiny.path / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        (tiny.path / "app" / name).write_text(name)
    subprocess.run(("git", "init", "--quiet"), cwd=tiny.path, check=True)
    subprocess.run(("git", "add", "app"), cwd=tiny.path, check=True)
    (tiny.path / "docs").mkdir()
    said = tiny.goldi("build.prod")
    assert "2 files that git tracks are not in the image: app/.env, app/__pycache__/x.pyc (infrastructure/" in said
    held = docker("run", "--rm", tiny.image, "sh", "-c", "cd /app && find . -type f | sort").split()
    assert held == sorted(f"./{name}" for name in PACKAGE)


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


STAGES = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS below
COPY folder/below /below

FROM below AS builder
ARG WHERE
COPY ${WHERE}/*.txt /first/
COPY link/in /linked

FROM below AS tools
RUN --mount=type=bind,source=second,target=/from cp -r /from /second && cp /below /second

FROM ${PYTHON_IMAGE} AS production
COPY --from=tools /second /second
COPY dire[c]t /
"""
# The targets that read what is edited.
READ: dict[str, set[str]] = {
    "folder/below": {"builder", "tools", "production"},
    "wild/a.txt": {"builder"},
    "wild/a.md": set(),
    "second/deep/file": {"tools", "production"},
    "direct": {"production"},
    "unread": set(),
}


def staged(project: Project, stages: str) -> None:
    """Put targets for the `stages` into a tiny project, and what they read."""
    folder = project.path / "infrastructure/docker"
    (folder / "Dockerfile").write_text(stages)
    bake = json.loads((folder / "docker-bake.json").read_text())
    for name in ("builder", "tools"):
        bake["target"][name] = {"inherits": ["_common"], "target": name, "tags": [f"{project.image}:{name}"]}
        bake["target"][name]["args"] = {"WHERE": "wild"}
    bake["group"]["both"] = {"targets": ["builder", "tools"]}
    (folder / "docker-bake.json").write_text(json.dumps(bake))
    for name in READ:
        (project.path / name).parent.mkdir(parents=True, exist_ok=True)
        (project.path / name).write_text("one")
    (project.path / "real").mkdir()
    (project.path / "real/in").write_text("one")


def ids(project: Project) -> dict[str, str]:
    tags = {"builder": "builder", "tools": "tools", "production": "latest"}
    form = "{{.Id}}"
    return {name: docker("image", "inspect", "--format", form, f"{project.image}:{tag}") for name, tag in tags.items()}


def said_by_target(project: Project) -> set[str]:
    """The targets that are not called up to date; they are built."""
    names = ("builder", "tools", "production")
    return {name for name in names if "up to date" not in project.goldi("build.target", name)}


@pytest.mark.by_hand
def test_a_target_is_asked_for_only_when_what_its_stage_reads_changes(tiny: Project) -> None:
    staged(tiny, STAGES.replace("COPY link/in /linked\n", ""))
    time.sleep(2.1)
    said_by_target(tiny)
    assert not said_by_target(tiny)
    for file, readers in READ.items():
        before = ids(tiny)
        (tiny.path / file).write_text(f"two, {file}")
        time.sleep(2.1)
        assert said_by_target(tiny) == readers, file
        for name in before.keys() - readers:
            tiny.goldi("build.target", name, "--force")
        # The builder's own verdict is the same.
        assert {name for name, image in ids(tiny).items() if image != before[name]} == readers, file


@pytest.mark.by_hand
def test_what_lies_behind_a_link_is_read(tiny: Project) -> None:
    staged(tiny, STAGES)
    (tiny.path / "link").symlink_to("real")
    time.sleep(2.1)
    said_by_target(tiny)
    assert not said_by_target(tiny)
    before = ids(tiny)
    (tiny.path / "real/in").write_text("two")
    assert said_by_target(tiny) == {"builder"}
    assert ids(tiny)["builder"] != before["builder"]


def test_several_targets_read_what_each_of_them_reads(tiny: Project) -> None:
    staged(tiny, STAGES.replace("COPY link/in /linked\n", ""))
    time.sleep(2.1)
    assert "up to date" not in tiny.goldi("build.target", "both")
    assert "up to date" in tiny.goldi("build.target", "both")
    (tiny.path / "direct").write_text("two")
    assert "up to date" in tiny.goldi("build.target", "both")
    (tiny.path / "second/deep/file").write_text("two")
    assert "up to date" not in tiny.goldi("build.target", "both")


@pytest.mark.parametrize("line", ["ENV WHERE=wild", "ONBUILD COPY unread /unread"])
def test_a_base_image_may_have_more_read(tiny: Project, line: str) -> None:
    """Its variables and triggers are not in the Dockerfile, and which of two values wins is the builder's affair."""
    staged(tiny, STAGES.replace("COPY link/in /linked\n", ""))
    base = re.findall(r"PYTHON_IMAGE=(\S+)", (tiny.path / "infrastructure/docker/.env").read_text())[0]
    (tiny.path / "base").write_text(f"FROM {base}\n{line}\n")
    docker("build", "--quiet", "--tag", f"{tiny.image}:base", "--file", str(tiny.path / "base"), str(tiny.path))
    time.sleep(2.1)
    tiny.goldi("build.target", "builder", PYTHON_IMAGE=f"{tiny.image}:base")
    assert "up to date" in tiny.goldi("build.target", "builder", PYTHON_IMAGE=f"{tiny.image}:base")
    (tiny.path / "unread").write_text("two")
    assert "up to date" not in tiny.goldi("build.target", "builder", PYTHON_IMAGE=f"{tiny.image}:base")

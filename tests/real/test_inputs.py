"""What is up to date, where it hinges on what a build met; tests/fingerprint holds random cases against the builder."""

import json
import re
import subprocess

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
    (tiny.path / "infrastructure/docker/Dockerfile.dockerignore").write_text("ignored*\n*.log\n")
    (tiny.path / "file").write_text("one")
    (tiny.path / "ignored").write_text("one")
    (tiny.path / "other.log").write_text("one")
    (tiny.path / "folder").mkdir()
    (tiny.path / "link").symlink_to("file")
    tiny.goldi("build.prod")
    assert "up to date" in tiny.goldi("build.prod")
    return tiny


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
    told = json.loads(project.goldi("build.prod", "--force", "--json", "--progress", "quiet"))
    assert (told["result"], told["asked"]) == ("built", "--force was given")


def test_an_edit_is_built_once_and_up_to_date_at_once(project: Project) -> None:
    (project.path / "file").write_text("two")
    assert "up to date" not in project.goldi("build.prod")
    assert "up to date" in project.goldi("build.prod")


def test_a_change_during_the_build_is_seen_by_the_next_one(tiny: Project) -> None:
    """Even one that was taken back: between two equal looks the builder may have seen another file."""
    (tiny.path / "slow").write_text("2\n")
    process = tiny.start(GOLDI, "build.prod", "--progress", "plain")
    assert process.stdout
    # The last step runs, so all of the context was sent.
    assert any("RUN cat /" in line for line in process.stdout)
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


def test_several_targets_read_what_each_of_them_reads(tiny: Project) -> None:
    staged(tiny, STAGES.replace("COPY link/in /linked\n", ""))
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
    tiny.goldi("build.target", "builder", PYTHON_IMAGE=f"{tiny.image}:base")
    assert "up to date" in tiny.goldi("build.target", "builder", PYTHON_IMAGE=f"{tiny.image}:base")
    (tiny.path / "unread").write_text("two")
    assert "up to date" not in tiny.goldi("build.target", "builder", PYTHON_IMAGE=f"{tiny.image}:base")

"""What git tracks below a copied directory and the ignore file keeps out of the image; git itself is asked."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from goldi_tasks import settings as project_settings
from goldi_tasks.bake import fingerprint, ignored_files

pytestmark = pytest.mark.door

DOCKERFILE = """\
# syntax=docker/dockerfile:1
FROM scratch AS other
COPY docs /docs
FROM scratch AS production
ARG APP
COPY ${APP}/pkg /pkg
"""
TARGET = {"context": ".", "dockerfile": "infrastructure/docker/Dockerfile", "args": {"APP": "."}}
LOOK = fingerprint.InputCheck({"production": fingerprint.Target()}, "", printed={"target": {"production": TARGET}})


@pytest.fixture
def say(project: Path) -> Callable[..., str]:
    """Gives the sentence for a project with these files; `own` are tracked, `stray` are not."""

    def sentence(
        own: tuple[str, ...], stray: tuple[str, ...] = (), dockerfile: str = DOCKERFILE, git: bool = True
    ) -> str:
        folder = project / "infrastructure/docker"
        (folder / "Dockerfile").write_text(dockerfile)
        (folder / "Dockerfile.dockerignore").write_text("# first\n**/.env*\n**/build\ndocs\n")
        for number, names in enumerate((own, stray)):
            for name in names:
                (project / name).parent.mkdir(parents=True, exist_ok=True)
                (project / name).touch()
            if git and not number:
                subprocess.run(("git", "init", "--quiet"), cwd=project, check=True)
                subprocess.run(("git", "add", "--force", "."), cwd=project, check=True)
        return ignored_files.describe_ignored_files(project_settings.load(project, {}), LOOK)

    return sentence


def test_tracked_files_are_told_with_the_line_that_leaves_them_out(say: Callable[..., str]) -> None:
    found = say(("pkg/x.py", "pkg/build/a.py", "pkg/b/.env.sample", "docs/x.md"), ("pkg/build/made.o",))
    assert found == (
        "2 files that git tracks are not in the image: pkg/b/.env.sample, pkg/build/a.py "
        "(infrastructure/docker/Dockerfile.dockerignore, line 2, 3)"
    )


def test_of_many_three_are_named(say: Callable[..., str]) -> None:
    found = say(tuple(f"pkg/build/{name}" for name in "abcde"))
    assert found.startswith(
        "5 files that git tracks are not in the image: pkg/build/a, pkg/build/b, pkg/build/c and 2 "
    )


def test_nothing_is_told_of_what_is_not_lost(say: Callable[..., str]) -> None:
    assert say(("pkg/x.py", "docs/x.md"), ("pkg/build/made.o", "pkg/.env")) == ""


def test_a_whole_context_relies_on_the_ignore_file(say: Callable[..., str]) -> None:
    assert say(("pkg/build/a.py",), dockerfile="FROM scratch\nCOPY . /all\n") == ""


def test_without_git_all_counts_that_no_tool_has_made(say: Callable[..., str]) -> None:
    found = say(("pkg/build/a.py", "pkg/x.py", "pkg/.env", "pkg/build/__pycache__/a.pyc", "docs/x"), git=False)
    assert found.startswith("2 files of the copied directories are not in the image: pkg/.env, pkg/build/a.py (")

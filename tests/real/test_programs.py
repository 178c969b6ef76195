"""Which programs a build starts: a no-op and a change of one file."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.conftest import GOLDI, Project, forget

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("builder_only")]

PROGRAMS = ("apt-config", "apt-get", "docker", "git", "npm", "pip", "python", "python3", "uv")


@pytest.fixture
def started(tiny: Project, tmp_path: Path) -> Callable[..., list[str]]:
    """Run `goldi` with a stand-in for each program that notes its arguments; return the calls without their paths."""
    folder, log = tmp_path / "programs", tmp_path / "log"
    folder.mkdir()
    for name in PROGRAMS:
        if real := shutil.which(name):
            (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{log}"\nexec "{real}" "$@"\n')
            (folder / name).chmod(0o755)

    def run(*arguments: str) -> list[str]:
        log.write_text("")
        # Nobody else prunes: engine 26 then forgets the steps of a build that ends, and bake runs once more.
        build = tiny.start(GOLDI, *arguments, alone=True, PATH=f"{folder}:{tiny.env['PATH']}")
        output, _ = build.communicate(timeout=120)
        assert build.returncode == 0, output
        calls = [line.split() for line in log.read_text().splitlines()]
        names = [[word for word in words if not word.startswith(("-", "/"))] for words in calls]
        return sorted(" ".join(words[:3]) for words in names)

    return run


# Asked side by side, while bake prints what it would build.
QUESTIONS = [
    "docker buildx ls",
    "docker buildx version",
    "docker info {{json",
    "git config",
    "git log.showSignature=false rev-parse",
]


def test_what_a_build_starts(tiny: Project, started: Callable[..., list[str]]) -> None:
    bake, listing = "docker buildx bake", "docker image ls"
    started("build.prod")
    assert started("build.prod") == [bake], "nothing changed: only what bake would build is asked"
    (tiny.path / "slow").write_text("0 ")
    changed = [call for call in started("build.prod") if not call.startswith("apt")]
    assert changed == sorted([bake, bake, listing, *QUESTIONS])
    forget(tiny)

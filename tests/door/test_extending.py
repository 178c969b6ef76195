"""What CONTRIBUTING says of a new bake flag, a new cache and a new task, made in a scratch copy."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.door.conftest import Stage

pytestmark = pytest.mark.door

RUN = "import sys; sys.path.insert(0, {!r}); from goldi_tasks.cli import main; main()"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What git has of the repository, without its examples and data."""
    names = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    top = tmp_path / "copy"
    for name in filter(None, names.split("\0")):
        if not name.startswith(("tests/data/", "tests/real/", "examples/")) and (REPO / name).is_file():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / name, top / name)
    return top


def lines(title: str) -> dict[str, list[str]]:
    """The lines that CONTRIBUTING adds, by file: each block of code begins with a comment that names it."""
    page = (REPO / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = re.search(rf"^### {title}\n(.*?)(?=^##)", page, re.MULTILINE | re.DOTALL)
    assert section, title
    blocks = re.findall(r"^```\w+\n# (\S+), after `([^\n]*)`\n(.*?)^```", section[1], re.MULTILINE | re.DOTALL)
    return {f"{file} {after}": text.splitlines() for file, after, text in blocks}


def add(copy: Path, title: str) -> int:
    """Add the lines of a section; return how many of them are not empty."""
    added = lines(title)
    for place, block in added.items():
        name, _, after = place.partition(" ")
        text = (copy / name).read_text(encoding="utf-8").splitlines()
        numbers = [number for number, line in enumerate(text) if after in line]
        assert len(numbers) == 1, place
        text[numbers[0] + 1 : numbers[0] + 1] = block
        (copy / name).write_text("\n".join(text) + "\n", encoding="utf-8")
    return sum(bool(line.strip()) for block in added.values() for line in block)


def goldi(stage: Stage, copy: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return stage.run(sys.executable, "-P", "-c", RUN.format(str(copy)), *arguments)


def test_a_new_bake_flag_is_two_lines(stage: Stage, copy: Path) -> None:
    assert add(copy, "A new bake flag") == 2
    assert "--call" in goldi(stage, copy, "build.prod", "--help").stdout
    done = goldi(stage, copy, "--dry", "build.prod", "--call", "check")
    assert "--call check" in done.stdout, done.stderr


def test_a_new_task_is_one_function(stage: Stage, copy: Path) -> None:
    added = add(copy, "A new task")
    assert added == 5
    assert goldi(stage, copy, "cache.root").stdout == f"{stage.caches}\n"


def test_a_new_cache_is_one_row_and_the_places_that_the_test_names(copy: Path) -> None:
    assert add(copy, "A new cache") == 1
    argv = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_cache_places.py")
    done = subprocess.run(argv, cwd=copy, capture_output=True, text=True, check=False)
    named = set(re.findall(r"AssertionError: (\S+) does not have tox-cache", done.stdout))
    assert named == {
        "infrastructure/docker/Dockerfile",
        "infrastructure/docker/docker-compose.yml",
        "infrastructure/docker/setup-cache.sh",
        ".devcontainer/devcontainer.json",
        ".devcontainer/initialize.sh",
        "docs/caches.md",
    }, done.stdout

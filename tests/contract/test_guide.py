"""The commands of docs/guide.md that are not typed in a clean clone: they would need a registry, or delete in /tmp."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from goldi_tasks.paths import CACHES
from tests import guide
from tests.conftest import REPO

pytestmark = pytest.mark.contract


def typed(line: str, folder: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """What a shell makes of a line; it has to succeed."""
    environ = {**os.environ, **env}
    done = subprocess.run(
        ("bash", "-c", guide.AS_ROOT + line), cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def test_every_command_of_the_guide_is_on_the_page() -> None:
    page = guide.PAGE.read_text(encoding="utf-8")
    lines = {line for language in ("sh", "bash") for block in guide.blocks(language) for line in block}
    for command in guide.COMMANDS:
        assert command in lines or f"| `{command}` | " in page, command


def test_every_block_of_the_page_is_typed() -> None:
    """Those in `sh` by tests/real/test_readme.py, the builder's by tests/real/test_guide.py, the others here."""
    firsts = ("sudo rm", "docker buildx rm", "sudo chown", "docker buildx bake")
    assert [guide.block(first) for first in firsts] == guide.blocks("bash")


def test_all_caches_are_cleared_and_made_again(tmp_path: Path) -> None:
    root, folder = tmp_path / "caches", tmp_path / "project"
    shutil.copytree(REPO / "infrastructure/docker", folder / "infrastructure/docker")
    clear, again = guide.block("sudo rm")
    # Nothing of this machine's goes: it is this line, and each of its paths is moved.
    assert clear == "sudo rm -rf /tmp/.buildx-cache-* /tmp/goldilocks-* /tmp/pip-cache /tmp/npm-cache"
    typed(again, folder, GOLDI_CACHE_ROOT=str(root))
    before = sorted(path.name for path in root.iterdir())
    assert before == sorted(cache.name for cache in CACHES)
    typed(clear.replace(" /tmp/", f" {root}/"), folder)
    assert len(list(root.iterdir())) == len(before) - 10
    typed(again, folder, GOLDI_CACHE_ROOT=str(root))
    assert sorted(path.name for path in root.iterdir()) == before


def test_git_is_given_back(tmp_path: Path) -> None:
    subprocess.run(("git", "init", "--quiet", tmp_path), check=True)
    (tmp_path / ".git/config").chmod(0o400)
    for line in guide.block("sudo chown"):
        typed(line, tmp_path)
    assert (tmp_path / ".git/config").stat().st_mode & 0o200
    assert (tmp_path / ".git/config").stat().st_uid == os.getuid()


def test_what_a_registry_is_for(buildx: None) -> None:
    """Printed, and not run: the lines are taken as they are, and mean what the guide means."""
    engine = "unix:///nonexistent/docker.sock"
    push, read = (
        json.loads(typed(f"{line} --print", REPO, DOCKER_HOST=engine, GOLDI_IMAGE="your-registry/goldilocks").stdout)
        for line in guide.block("docker buildx bake")
    )
    production = push["target"]["production"]
    assert production["tags"] == ["your-registry/goldilocks:latest"]
    assert "push=true" in json.dumps(production["output"]) or "registry" in json.dumps(production["output"])
    (source,) = read["target"]["production"]["cache-from"]
    assert "your-registry/goldilocks:cache" in json.dumps(source)

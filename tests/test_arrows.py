"""The arrows of the design: who may import whom. The tests hold the imports, at any depth of a file, against them."""

import ast
import sys
from pathlib import Path

import pytest

import goldi_tasks

PACKAGE = Path(goldi_tasks.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
# Runs alone, in a container, on whatever Python is there: what it starts it does not start here.
AGENT = PACKAGE / "checks/agent.py"

LEAVES = {"errors", "command", "paths", "whose", "default_root", "amounts", "state", "envfile", "scratch", "bench"}
LEAVES |= {"atomic", "inside", "invocation"}
BELOW = LEAVES | {"settings", "probe", "rootless", "emulation", "run", "plan", "network"}
ROOMS = {"engine", "build", "cache", "checks", "ci", "compose", "devcontainer"}
FRONT = BELOW | ROOMS | {"wiring"}
ARROWS = {
    "__init__": set(),
    "errors": {"invocation"},
    "invocation": set(),
    "atomic": set(),
    "command": set(),
    "paths": set(),
    "whose": set(),
    "default_root": {"errors", "paths", "whose"},
    "state": {"atomic", "errors", "whose"},
    "envfile": {"atomic", "inside"},
    "inside": {"errors"},
    "amounts": {"errors"},
    "scratch": set(),
    "bench": set(),
    "settings": LEAVES,
    "run": LEAVES,
    "probe": LEAVES | {"run"},
    "rootless": LEAVES | {"run", "probe"},
    "emulation": LEAVES | {"run", "probe"},
    "plan": LEAVES | {"settings", "probe", "emulation"},
    "network": LEAVES | {"run", "plan", "settings"},
    "engine": BELOW,
    "build": BELOW,
    "cache": BELOW,
    "checks": BELOW | {"build"},
    "ci": BELOW,
    "devcontainer": BELOW,
    "compose": BELOW,
    "wiring": BELOW | ROOMS,
    "tasks": FRONT,
    "sessions": FRONT,
    "program": FRONT | {"tasks"},
    "__main__": {"program"},
}
IMPURE = {"os", "sys", "subprocess", "shutil", "socket", "tempfile", "time"}


def row(file: Path) -> str:
    """The row of the design's picture that a file is in: its top module or room."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(nodes: ast.AST) -> set[str]:
    """Every module that is imported; `from goldi_tasks import run` is goldi_tasks.run."""
    found: set[str] = set()
    for node in ast.walk(nodes):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def parts(file: Path) -> list[list[str]]:
    return [name.split(".") for name in imports(ast.parse(file.read_text(encoding="utf-8")))]


def ours(file: Path) -> set[str]:
    return {name[1] for name in parts(file) if name[0] == "goldi_tasks"} - {"__version__", row(file)}


def others(file: Path) -> set[str]:
    return {name[0] for name in parts(file)} - {"goldi_tasks", "__future__"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_arrows(file: Path) -> None:
    assert ours(file) <= ARROWS[row(file)]


@pytest.mark.parametrize("name", ["errors", "command", "paths"])
def test_leaves_need_the_standard_library_only(name: str) -> None:
    assert others(PACKAGE / f"{name}.py") <= sys.stdlib_module_names


@pytest.mark.parametrize("file", [file for file in FILES if row(file) == "plan"], ids=lambda file: file.name)
def test_plans_are_pure(file: Path) -> None:
    assert not others(file) & IMPURE
    assert others(file) <= sys.stdlib_module_names


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_only_front_ends_know_the_runners_and_only_run_starts_programs(file: Path) -> None:
    may = {"tasks": {"invoke"}, "program": {"invoke"}, "sessions": {"nox"}, "run": {"subprocess"}}
    if file == AGENT:
        assert others(file) <= sys.stdlib_module_names
        assert not ours(file)
        return
    assert others(file) & {"invoke", "nox", "subprocess"} <= may.get(row(file), set())


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_slow_libraries_are_imported_where_they_are_used(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    top = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    at_import = set().union(*(imports(node) for node in top))
    assert not {name.split(".")[0] for name in at_import} & {"docker", "rich", "requests"}


def test_every_row_of_the_picture_is_held() -> None:
    assert {row(file) for file in FILES} <= ARROWS.keys()

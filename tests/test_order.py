"""The order of the packages: each imports only what stands before it. docs/architecture.md shows the same list."""

import ast
import re
import sys
from pathlib import Path

import pytest

import goldi_tasks
from tests.conftest import REPO

PACKAGE = Path(goldi_tasks.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
# From the bottom to the top; `init` is to come between `maintenance` and `tasks`.
ORDER = (
    *("invocation", "errors", "command", "units", "locks", "ownership", "atomic", "state", "paths", "inside_container"),
    *("tempdir", "envfile", "benchmark", "process", "settings", "dockerfile", "client", "cache", "network", "engine"),
    *("bake", "checks", "compose", "devcontainer", "ci", "maintenance", "tasks", "sessions", "cli"),
    "__main__",
)
# Values in, values out: no file, no program, no clock.
PURE = (
    *("bake/bake_arguments", "bake/build_request", "bake/builders/builder_model"),
    *("bake/builders/builder_options", "bake/cache_backends", "bake/compression", "bake/layer_contents"),
    *("bake/remote_options", "bake/revision"),
    *("bake/progress/events", "bake/progress/running_build", "bake/progress/step"),
    *("checks/check_arguments", "ci/jobs", "client/registry_errors", "client/run_arguments"),
    *("compose/compose_arguments", "compose/stack_model", "devcontainer/devcontainer_arguments"),
    *("dockerfile/ignore_file", "dockerfile/parse", "engine/cross_platform_plan", "engine/distribution", "engine/oci"),
    *("engine/platforms", "maintenance/archive/cache_key", "maintenance/archive/cache_mounts", "settings/image_names"),
)
IMPURE = {"os", "sys", "subprocess", "shutil", "socket", "tempfile", "time"}
# Runs alone, in a container, on whatever Python is there, and starts programs itself.
AGENT = PACKAGE / "checks/agent.py"
RUNNERS = {"tasks": {"invoke"}, "cli": {"invoke"}, "sessions": {"nox"}, "process": {"subprocess"}}


def package_of(file: Path) -> str:
    """Return the entry of ORDER that a file belongs to."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(nodes: ast.AST) -> list[list[str]]:
    """List the imported modules at any depth, split at dots; `from goldi_tasks import process` is one of them."""
    names: set[str] = set()
    for node in ast.walk(nodes):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return [name.split(".") for name in names]


def internal(file: Path) -> set[str]:
    """Return the entries of ORDER that a file imports, besides its own."""
    names = imports(ast.parse(file.read_text(encoding="utf-8")))
    return {name[1] for name in names if name[0] == "goldi_tasks"} - {"__version__", package_of(file)}


def external(nodes: ast.AST) -> set[str]:
    """Return the top-level modules that are imported and not ours."""
    return {name[0] for name in imports(nodes)} - {"goldi_tasks", "__future__"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_file_imports_only_what_stands_before_it(file: Path) -> None:
    if file == PACKAGE / "__init__.py":
        return
    below = set(ORDER[: ORDER.index(package_of(file))])
    assert internal(file) <= below


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_only_process_starts_programs_and_only_the_top_knows_invoke_and_nox(file: Path) -> None:
    names = external(ast.parse(file.read_text(encoding="utf-8")))
    if file == AGENT:
        assert names <= sys.stdlib_module_names
        assert not internal(file)
        return
    assert names & {"invoke", "nox", "subprocess"} <= RUNNERS.get(package_of(file), set())


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_touch_nothing(name: str) -> None:
    file = PACKAGE / f"{name}.py"
    names = external(ast.parse(file.read_text(encoding="utf-8")))
    assert not names & IMPURE
    assert names <= sys.stdlib_module_names
    assert "process" not in internal(file)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_slow_libraries_are_imported_where_they_are_used(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    top = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert not set().union(*map(external, top)) & {"docker", "rich", "requests"}


@pytest.mark.parametrize(
    ("what", "where"),
    [
        (r"\bfcntl\.flock\(", {"locks.py"}),
        (r"\bENOSPC\b|no space left", {"errors.py"}),
        (r"/ 1e6:", {"units.py", "bake/image_size.py"}),  # a column of one unit
        (r"\brenameat2\b", {"atomic.py"}),
        (r"\burlopen\(|HTTPS?Connection\(", {"client/registry.py"}),
        # Two are programs of their own, in a container; one prints while it works.
        (
            r"print\(\s*json\w*\.dumps",
            {
                "tasks/_task.py",
                "cache/safe_delete.py",
                "devcontainer/git_ownership.py",
                "maintenance/prune/run_prune.py",
            },
        ),
    ],
)
def test_what_is_written_once(what: str, where: set[str]) -> None:
    # The agents are copied into containers, alone.
    agents = {"checks/agent.py", "maintenance/archive/mount_agent.py"}
    files = {str(file.relative_to(PACKAGE)) for file in FILES if re.search(what, file.read_text(encoding="utf-8"))}
    assert files - agents == where


def test_no_two_modules_have_one_name() -> None:
    # A module of tasks/ has the name of its namespace.
    names = [file.stem for file in FILES if not file.stem.startswith("__") and file.parent.name != "tasks"]
    assert not {name for name in names if names.count(name) > 1}


def test_no_two_public_classes_have_one_name() -> None:
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in FILES]
    names = [node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    public = [name for name in names if not name.startswith("_")]
    assert not {name for name in public if public.count(name) > 1}


def test_no_package_is_called_build_or_like_a_library() -> None:
    packages = {file.parent.name for file in FILES if file.name == "__init__.py"}
    assert not packages & {"build", "dist", "docker", "invoke", "nox", "rich", "requests", *sys.stdlib_module_names}


def test_the_page_shows_the_same_order() -> None:
    text = (REPO / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    shown = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert shown == list(reversed(ORDER))

"""infrastructure/docker/scripts/bytecode.py, which runs inside builds, loaded from its path."""

import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import REPO

SCRIPT = REPO / "infrastructure/docker/scripts/bytecode.py"
TAG = sys.implementation.cache_tag


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bytecode", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # Processes would be programs started; threads do the same work.
    monkeypatch.setattr(module, "ProcessPoolExecutor", ThreadPoolExecutor)
    # The tests' own PYTHONPYCACHEPREFIX, if there is one, is not the build's.
    monkeypatch.setattr(sys, "pycache_prefix", None)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "lib"
    (tree / "package").mkdir(parents=True)
    (tree / "one.py").write_text("ONE = 1\n")
    (tree / "package" / "two.py").write_text("TWO = 2\n")
    return tree


def compiled(tree: Path) -> dict[str, bytes]:
    return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*.pyc")}


def test_every_file_is_compiled_once_and_then_comes_from_the_cache(
    script: ModuleType, tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script.main(str(tree), str(tmp_path / "cache"))
    assert capsys.readouterr().out == "bytecode: 2 files, 0 from the cache, 2 compiled\n"
    first = compiled(tree)
    assert first.keys() == {f"__pycache__/one.{TAG}.pyc", f"package/__pycache__/two.{TAG}.pyc"}
    for path in tree.rglob("*.pyc"):
        path.unlink()
    script.main(str(tree), str(tmp_path / "cache"))
    assert capsys.readouterr().out == "bytecode: 2 files, 2 from the cache, 0 compiled\n"
    assert compiled(tree) == first


def test_equal_sources_make_equal_bytes_whatever_their_times(script: ModuleType, tree: Path, tmp_path: Path) -> None:
    script.main(str(tree), str(tmp_path / "cache"))
    first = compiled(tree)
    (tree / "one.py").unlink()
    (tree / "one.py").write_text("ONE = 1\n")
    script.main(str(tree), str(tmp_path / "another cache"))
    assert compiled(tree) == first


def test_a_changed_file_is_compiled_again(script: ModuleType, tree: Path, tmp_path: Path) -> None:
    script.main(str(tree), str(tmp_path / "cache"))
    first = compiled(tree)
    (tree / "one.py").write_text("ONE = 2\n")
    assert script.compile_one(tree / "one.py", tmp_path / "cache") == "compiled"
    assert script.compile_one(tree / "package" / "two.py", tmp_path / "cache") == "cached"
    changed = {name for name, code in compiled(tree).items() if first[name] != code}
    assert changed == {f"__pycache__/one.{TAG}.pyc"}


def test_equal_files_at_two_paths_are_two_since_tracebacks_show_the_path(
    script: ModuleType, tree: Path, tmp_path: Path
) -> None:
    (tree / "three.py").write_text("ONE = 1\n")
    assert script.compile_one(tree / "one.py", tmp_path / "cache") == "compiled"
    assert script.compile_one(tree / "three.py", tmp_path / "cache") == "compiled"


def test_an_import_takes_the_bytecode_unchecked(script: ModuleType, tree: Path, tmp_path: Path) -> None:
    """PEP 552: flags 1 are a hash that is not compared with the source."""
    script.compile_one(tree / "one.py", tmp_path / "cache")
    assert compiled(tree)[f"__pycache__/one.{TAG}.pyc"][4:8] == (1).to_bytes(4, "little")


@pytest.mark.parametrize("source", [b"def (:\n", b"x = '\xff'\n", b"\0"])
def test_what_does_not_compile_is_skipped(script: ModuleType, tree: Path, tmp_path: Path, source: bytes) -> None:
    (tree / "one.py").write_bytes(source)
    assert script.compile_one(tree / "one.py", tmp_path / "cache") == "skipped"
    assert compiled(tree) == {}


@pytest.mark.door
def test_bytecode_of_another_release_is_told() -> None:
    def ask(*argv: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run((sys.executable, SCRIPT, *argv), capture_output=True, text=True, check=False)

    magic = ask("--magic").stdout.strip()
    assert magic == f"{TAG}-{importlib.util.MAGIC_NUMBER.hex()}"
    assert ask("--is", magic).returncode == 0
    other = ask("--is", "cpython-399-00000000")
    assert other.returncode == 1
    assert magic in other.stderr

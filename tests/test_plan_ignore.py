"""What a .dockerignore surely removes; tests/fingerprint asks the builder itself, and moby's matcher is the oracle."""

from pathlib import Path

import pytest

from goldi_tasks.dockerfile import ignore_file


def is_out(path: str, text: str) -> bool:
    return ignore_file.find_excluding_pattern(path, ignore_file.parse(text)) is not None


@pytest.mark.parametrize(
    ("text", "path", "out"),
    [
        ("a", "a", True),
        ("a", "a/b/c", True),
        ("a", "b/a", False),
        ("a", "ab", False),
        ("/a", "a", True),
        ("a/", "a/b", True),
        ("a/b", "a/b/c", True),
        ("a/b", "a", False),
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", False),
        ("**/*.md", "README.md", True),
        ("**/*.md", "docs/deep/README.md", True),
        ("**/tests", "a/tests/b", True),
        ("a/*/b", "a/x/b/c", True),
        ("a/*/b", "a/x/y/b", False),
        ("*", "a/b", True),
        ("a+b", "a+b", True),
        ("a.b", "axb", False),
        (" a\t\r", "a", True),
        ("a b", "a b", True),
        ("# a\na", "# a", False),
        ("", "a", False),
        # Whatever else a line means, it removes nothing here.
        ("./a", "a", False),
        ("a/../b", "b", False),
        ("docs/**", "docs/deep/file", False),
        ("a**", "ab", False),
        ("?.py", "a.py", False),
        ("[ab].py", "a.py", False),
        (r"a\*b", "a*b", False),
        (" # a", "# a", False),
        ("\ufeffa", "a", False),
        ("\x0ba", "a", False),
        # With a `!` anywhere nothing is removed.
        ("*\n!a", "b", False),
        ("a\n!", "a", False),
        ("a\n\x85!b", "a", False),
        ("# !\na", "a", True),
    ],
)
def test_a_plain_line_removes_what_the_builder_leaves_out(text: str, path: str, out: bool) -> None:
    assert is_out(path, text) is out


OURS = (Path(__file__).parents[1] / "infrastructure/docker/Dockerfile.dockerignore").read_text()
# What lies in packages of real projects, and what no image is to have.
WANTED = (
    *("build/x.py", "dist/x.py", "docs/page.md", "docs/x.py", "tests/x.py", "venv/x.py", "templates/page.md"),
    *("x.log", "frontend/dist/x.js", ".github/x", "README.md"),
)
UNWANTED = (".env", ".env.local", "secrets/key", "__pycache__/x.pyc", "node_modules/x", ".mypy_cache/x", ".venv/x")


@pytest.mark.parametrize("app", ["", "examples/goldilocks/", "services/web/"])
def test_our_own_takes_in_what_may_be_part_of_a_package_and_never_a_secret(app: str) -> None:
    below = [f"{app}goldilocks{between}" for between in ("/", "/deep/")]
    assert [name for top in below for name in WANTED if is_out(f"{top}{name}", OURS)] == []
    assert [name for top in below for name in UNWANTED if not is_out(f"{top}{name}", OURS)] == []


def test_every_line_of_our_own_is_plain() -> None:
    rows = [row for row in OURS.splitlines() if row and not row.startswith("#")]
    assert len(ignore_file.parse(OURS)) == len(rows) > 20


def test_the_line_that_removes_something_is_numbered() -> None:
    lines = ignore_file.parse("# a\n*.md\n\na\n")
    removing = [ignore_file.find_excluding_pattern(path, lines) for path in ("b.md", "a/x", "c")]
    assert [line.number if line else 0 for line in removing] == [2, 4, 0]

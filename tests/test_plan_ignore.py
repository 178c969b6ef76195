"""The .dockerignore rules of moby/patternmatcher; tests/real/test_inputs.py asks the builder itself."""

from pathlib import Path

import pytest

from goldi_tasks.plan import ignore


@pytest.mark.parametrize(
    ("text", "path", "out"),
    [
        ("a", "a", True),
        ("a", "a/b/c", True),
        ("a", "b/a", False),
        ("/a", "a", True),
        ("a/", "a/b", True),
        ("./a", "a", True),
        ("a/../b", "b", True),
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", False),
        ("**/*.md", "README.md", True),
        ("**/*.md", "docs/deep/README.md", True),
        ("docs/**", "docs/deep/file", True),
        ("docs/**", "docs", False),
        ("**/tests", "a/tests/b", True),
        ("?.py", "a.py", True),
        ("?.py", "ab.py", False),
        ("[ab].py", "a.py", True),
        ("[^ab].py", "a.py", False),
        ("a+b", "a+b", True),
        ("a.b", "axb", False),
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        ("# a\na", "# a", False),
        (" # a", "# a", True),
        ("*\n!a", "a", False),
        ("*\n!a", "b", True),
        ("*\n!a", "a/b", False),
        ("a\n!a/b", "a/b", False),
        ("a\n!a/b\na/b", "a/b", True),
        ("!a\na", "a", True),
        ("\ufeffa", "a", True),
        ("", "a", False),
    ],
)
def test_a_line_means_what_the_builder_takes_it_for(text: str, path: str, out: bool) -> None:
    assert ignore.left_out(path, ignore.parse(text)) is out


OURS = Path(__file__).parents[1] / "infrastructure/docker/Dockerfile.dockerignore"
# What lies in packages of real projects, and what no image is to have.
WANTED = (
    *("build/x.py", "dist/x.py", "docs/page.md", "docs/x.py", "tests/x.py", "venv/x.py", "templates/page.md"),
    *("x.log", "frontend/dist/x.js", ".github/x", "README.md"),
)
UNWANTED = (".env", ".env.local", "secrets/key", "__pycache__/x.pyc", "node_modules/x", ".mypy_cache/x", ".venv/x")


@pytest.mark.parametrize("app", ["", "examples/goldilocks/", "services/web/"])
def test_our_own_takes_in_what_may_be_part_of_a_package_and_never_a_secret(app: str) -> None:
    patterns = ignore.parse(OURS.read_text())
    below = [f"{app}goldilocks{between}" for between in ("/", "/deep/")]
    assert [name for top in below for name in WANTED if ignore.left_out(f"{top}{name}", patterns)] == []
    assert [name for top in below for name in UNWANTED if not ignore.left_out(f"{top}{name}", patterns)] == []


def test_our_own_has_no_exceptions() -> None:
    """With one the client walks all that it excepts from."""
    assert not any(pattern.keeps for pattern in ignore.parse(OURS.read_text()))


def test_what_leaves_something_out_has_its_line() -> None:
    patterns = ignore.parse("# a\n*.md\n!a.md\n\na.md\n")
    found = [ignore.left_out_by(path, patterns) for path in ("b.md", "a.md", "c")]
    assert [one.line if one else 0 for one in found] == [2, 5, 0]

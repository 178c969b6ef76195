"""The .dockerignore rules of moby/patternmatcher; tests/real/test_inputs.py asks the builder itself."""

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

"""Which paths the sources of instructions stand for."""

import pytest

from goldi_tasks.plan import selection


@pytest.mark.parametrize(
    ("paths", "path", "found"),
    [
        ({"a"}, "a", True),
        ({"a"}, "a/b/c", True),
        ({"a"}, "ab", False),
        ({"a"}, "b/a", False),
        ({"a/b"}, "a/c", False),
        ({"a", "b"}, "b", True),
        (set(), "a", False),
        ({"."}, "a/b", True),
        ({".", "b"}, "a", True),
        ({"a.b"}, "aXb", False),
        ({"*"}, "a", True),
        ({"*"}, ".a/b", True),
        ({"*.py"}, "a.py", True),
        ({"*.py"}, "b/a.py", False),
        ({"*/a"}, "b/a/c", True),
        ({"?"}, "é", True),
        ({"?"}, "ab", False),
        ({"[ab]x"}, "bx", True),
        ({"[^ab]x"}, "bx", False),
        ({".npmr[c]"}, ".npmrc", True),
        ({"a*"}, "a\n", True),
        ({"a (1)|b"}, "b", False),
        ({"a (1)|b"}, "a (1)|b", True),
    ],
)
def test_a_path_is_among_them(paths: set[str], path: str, found: bool) -> None:
    assert selection.parse(paths).takes(path, directory=False) == found


def test_directories_above_are_and_links_decide_there() -> None:
    some = selection.parse({"a/*/c"})
    assert some.takes("a", directory=True)
    assert some.takes("a/x", directory=True)
    assert not some.takes("a/x", directory=False)
    assert not some.takes("b", directory=True)
    assert [name for name in ("a", "a/x", "a/x/c", "a/x/c/d", "b") if some.hinges_on(name)] == ["a", "a/x", "a/x/c"]
    assert not selection.parse({"."}).hinges_on("a")

"""Whatever stands in `[tool.goldi]` and in the environment: settings, or one clear sentence, and nothing is touched.

GOLDI_EXAMPLES says how many are tried.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as some

from goldi_tasks import settings
from goldi_tasks.errors import GoldiError, NotAProject, SettingsError
from goldi_tasks.settings.keys import KEYS as TABLE
from goldi_tasks.settings.keys import VARIABLES

EXAMPLES = int(os.environ.get("GOLDI_EXAMPLES", "200"))

# What a name or a value may be beside anything: nearly right.
KEYS = sorted(TABLE)
NAMES = sorted(VARIABLES) + list(settings.CA_VARIABLES)
WORDS = [
    "",
    ".",
    "..",
    "/",
    "~",
    "~nobody-here",
    "/tmp",
    "app",
    "app/..",
    "uv",
    "pip",
    "container",
    "host",
    "true",
    "0",
]
WORDS += [
    "1e400",
    "nan",
    "-1",
    "30",
    "10 GB",
    "7 days",
    "\0",
    "a\nb",
    "a" * 5000,
    "/dev/null",
    "$HOME",
    "localhost/x:y",
]

words = some.sampled_from(WORDS) | some.text(max_size=30)
scalars = words | some.booleans() | some.integers() | some.floats() | some.dates() | some.datetimes()


def nested(inner: some.SearchStrategy[Any]) -> some.SearchStrategy[Any]:
    """Arrays and tables of such values, under any key."""
    keys = some.sampled_from(KEYS) | some.text(max_size=12)
    return some.lists(inner, max_size=3) | some.dictionaries(keys, inner, max_size=5)


values = some.recursive(scalars, nested, max_leaves=6)


def toml(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    return str(value) if isinstance(value, int | float) else value.isoformat()  # type: ignore[attr-defined]


def quoted(text: str) -> str:
    """A basic string: JSON's escapes are TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


lines = some.builds(lambda key, value: f"{quoted(key)} = {toml(value)}", some.sampled_from(KEYS) | words, values)
dotted = some.builds(lambda key, value: f"{key} = {toml(value)}", some.sampled_from(KEYS), values)
noise = some.text(max_size=40) | some.sampled_from(["x = " + "9" * 5000, "x = " + "[" * 5000, "x = 2026-02-30"])
files = some.lists(lines | dotted | dotted | noise, max_size=6).map("\n".join)
heads = some.sampled_from(["[tool.goldi]\n", '[project]\nname = "bears"\n[tool.goldi]\n', "", "[[tool.goldi]]\n"])
# No NUL, which an environment cannot hold; but bytes that are no UTF-8, as Python shows them.
letters = some.characters(codec="utf-8", exclude_characters="\0") | some.characters(
    min_codepoint=0xDC80, max_codepoint=0xDCFF, categories=["Cs"]
)
plain = some.sampled_from([word for word in WORDS if "\0" not in word])
environments = some.dictionaries(some.sampled_from(NAMES), plain | some.text(letters, max_size=20), max_size=4)

_WRITES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.chmod", "os.chown", "os.utime"}
_WRITES |= {"os.link", "os.symlink", "subprocess.Popen", "os.system", "shutil.rmtree"}
_watched: list[str] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched is not None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if writes or event in _WRITES:
            _watched.append(f"{event} {arguments[0]!r}")


@contextmanager
def watched() -> Iterator[list[str]]:
    """What Python's own audit events tell of files that are changed, and programs that are started."""
    global _watched  # noqa: PLW0603 - an audit hook cannot be removed, only told to look away
    _watched = []
    try:
        yield _watched
    finally:
        _watched = None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sys.addaudithook(_hook)
    made = tmp_path_factory.mktemp("generated")
    (made / "app").mkdir()
    return made


def test_a_write_would_be_seen(folder: Path) -> None:
    with watched() as changed:
        (folder / "app/file").write_text("x", encoding="utf-8")
        (folder / "app/file").unlink()
    assert [line.split()[0] for line in changed] == ["open", "os.remove"]


@hypothesis(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(head=heads, text=files, environ=environments)
def test_anything_gives_settings_or_says_why_not(
    folder: Path, head: str, text: str, environ: Mapping[str, str]
) -> None:
    (folder / "pyproject.toml").write_bytes((head + text).encode("utf-8", "surrogatepass"))
    with watched() as changed:
        try:
            found: settings.Settings | GoldiError = settings.load(folder, environ)
        except (SettingsError, NotAProject) as error:
            found = error
    assert changed == []
    if isinstance(found, GoldiError):
        assert found.problem
        assert found.remedy
    else:
        assert found.image
        assert found.cache_root.is_absolute()
        assert found.roots

"""Find and read a project's pyproject.toml."""

import tomllib
from pathlib import Path
from typing import Any

from goldi_tasks.errors import NotAProject, SettingsError
from goldi_tasks.settings.keys import KEYS

# Tables in [tool.goldi], such as [tool.goldi.images].
_TABLES = {key.partition(".")[0] for key in KEYS if "." in key}


def find_project(start: Path) -> Path:
    """Return the nearest directory, from `start` upward, whose pyproject.toml has `[tool.goldi]`.

    Without one return the nearest directory with any pyproject.toml. Raises NotAProject, SettingsError.
    """
    start = start.resolve()
    files = [path for path in (folder / "pyproject.toml" for folder in (start, *start.parents)) if path.is_file()]
    chosen = next((path for path in files if "goldi" in table(path, "tool")), None)
    if chosen is None and not files:
        problem = f"no pyproject.toml in {start} or above it"
        raise NotAProject(problem, "Change to a project, or make one with `uv init`")
    return (chosen or files[0]).parent


def given(project: Path) -> dict[str, tuple[Any, str]]:
    """Return value and source of each key in `[tool.goldi]` of the directory `project`. Raises SettingsError."""
    return _flatten_tables(table(project / "pyproject.toml", "tool").get("goldi", {}))


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        # ValueError: invalid TOML, invalid UTF-8, or a number with too many digits.
        raise SettingsError(f"{file} is not valid TOML: {error}", "Correct that line") from error
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}", "Make it readable") from error


def table(file: Path, name: str) -> dict[str, Any]:
    """Return a top-level table of a pyproject.toml, {} if it is missing or no table. Raises SettingsError."""
    content = _read(file).get(name)
    return content if isinstance(content, dict) else {}


def _flatten_tables(settings_table: object) -> dict[str, tuple[Any, str]]:
    """Return `{"images": {"python": x}}` as `{"images.python": (x, source)}`. Raises SettingsError."""
    source = "[tool.goldi]"
    if not isinstance(settings_table, dict):
        raise SettingsError("tool.goldi is not a table", "Write it as [tool.goldi]")
    flat: dict[str, tuple[Any, str]] = {}
    for key, value in settings_table.items():
        if key in _TABLES:
            if not isinstance(value, dict):
                raise SettingsError(f"tool.goldi.{key} is not a table", f"Write it as [tool.goldi.{key}]")
            flat.update({f"{key}.{name}": (nested_value, source) for name, nested_value in value.items()})
        else:
            flat[key] = (value, source)
    return flat

"""Load the settings from `[tool.goldi]` in a project's pyproject.toml and from `GOLDI_*` variables.

Precedence: an argument, the environment variable, the key in pyproject.toml, the default. `model` documents the keys,
`keys` is the table of their names, `values` checks what is written.
"""

from goldi_tasks.settings.load import CA_VARIABLES, load, outside
from goldi_tasks.settings.model import BAKE_FILE, Settings
from goldi_tasks.settings.read import find_project

__all__ = ["BAKE_FILE", "CA_VARIABLES", "Settings", "find_project", "load", "outside"]

"""`[tool.goldi]` of a project's pyproject.toml, and the `GOLDI_*` variables over it.

The first that is given wins: an argument, the environment variable, the key in pyproject.toml, the default. `model` is
the one place where the keys are documented, `keys` the table of their names, `values` says what may be written.
"""

from goldi_tasks.settings.load import CA_VARIABLES, load, outside
from goldi_tasks.settings.model import BAKE_FILE, Settings
from goldi_tasks.settings.read import find_project

__all__ = ["BAKE_FILE", "CA_VARIABLES", "Settings", "find_project", "load", "outside"]

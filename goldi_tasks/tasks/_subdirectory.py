"""Find the project's tasks when `inv` runs below this package, where invoke takes the package for them."""

import sys
from pathlib import Path

from invoke.collection import Collection
from invoke.exceptions import CollectionNotFound
from invoke.loader import FilesystemLoader

_HERE = Path(__file__).resolve().parent


def find_namespace() -> Collection:
    """Return the tasks of the project above the package; all our namespaces where there is none."""
    # invoke has put this directory first on sys.path, where `import build` would find our module.
    sys.path[:] = [folder for folder in sys.path if folder != str(_HERE)]
    loader = FilesystemLoader(start=str(_HERE.parent.parent))
    try:
        loader.find("tasks")
    except CollectionNotFound:
        from goldi_tasks.tasks import build, cache, ci, compose, devcontainer, engine

        return Collection(build, cache, ci, compose, devcontainer, engine)
    module, folder = loader.load("tasks")
    return Collection.from_module(module, loaded_from=folder)

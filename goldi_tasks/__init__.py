"""goldi_tasks: invoke and nox plugins that make a Python project's Docker work instant.

A project's `tasks.py` is a few lines over the namespaces here:

    from invoke.collection import Collection
    from goldi_tasks.tasks import build, cache, ci, compose, devcontainer, engine

    ns = Collection(build, cache, ci, compose, devcontainer, engine)

Importing this package, or any module of it, registers, starts and patches nothing.
"""

__version__ = "0.1.0"

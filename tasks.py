"""What a project writes: the namespaces it wants."""

from invoke.collection import Collection

from goldi_tasks.tasks import build, cache, ci, compose, devcontainer, engine

ns = Collection(build, cache, ci, compose, devcontainer, engine)

"""What a project writes: the namespaces it wants."""

from invoke.collection import Collection

from goldi_tasks.tasks import build, cache, devcontainer, engine

ns = Collection(build, cache, devcontainer, engine)

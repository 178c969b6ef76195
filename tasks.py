"""What a project writes: the namespaces it wants."""

from invoke.collection import Collection

from goldi_tasks.tasks import build, cache, engine

ns = Collection(build, cache, engine)

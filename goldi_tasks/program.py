"""The `goldi` command: the same namespaces as in a project's tasks.py, in any directory."""

from invoke.collection import Collection
from invoke.program import Program

from goldi_tasks import __version__
from goldi_tasks.tasks import build, cache, ci, compose, devcontainer, engine


def main() -> None:
    """Run the command line; exits with the failure's own code."""
    namespace = Collection(build, cache, ci, compose, devcontainer, engine)
    Program(name="goldi", binary="goldi", binary_names=["goldi"], namespace=namespace, version=__version__).run()

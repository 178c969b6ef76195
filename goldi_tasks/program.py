"""The `goldi` command: the same namespaces as in a project's tasks.py, in any directory."""

import sys


def main() -> None:
    """Run the command line; exits with the failure's own code."""
    try:
        _run()
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as end:
        # invoke's own word for Ctrl-C before a task has begun is 1.
        if isinstance(end.__context__, KeyboardInterrupt):
            _interrupted()
        raise


def _run() -> None:
    # Here, since Ctrl-C while all this is imported should look like any other.
    from invoke.collection import Collection
    from invoke.program import Program

    from goldi_tasks import __version__
    from goldi_tasks.tasks import build, cache, ci, compose, devcontainer, engine

    namespace = Collection(build, cache, ci, compose, devcontainer, engine)
    Program(name="goldi", binary="goldi", binary_names=["goldi"], namespace=namespace, version=__version__).run()


def _interrupted() -> None:
    print("goldi: interrupted.", file=sys.stderr)
    sys.exit(130)

"""The `goldi` command: the same namespaces as in a project's tasks.py, in any directory."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


def main() -> None:
    """Run the command line. Raises SystemExit with the failure's exit code."""
    try:
        _run()
    except KeyboardInterrupt:
        _exit_interrupted()
    except SystemExit as exit_:
        # invoke exits with 1 on Ctrl-C before a task has begun.
        if isinstance(exit_.__context__, KeyboardInterrupt):
            _exit_interrupted()
        raise


def _run() -> None:
    # Imported here so that Ctrl-C during these imports is handled like any other.
    with _without_mocks():
        from invoke.collection import Collection

    from goldi_tasks import __version__, invocation
    from goldi_tasks.tasks import _output, build, cache, ci, compose, devcontainer, engine
    from goldi_tasks.tasks._program import GoldiProgram

    # Messages name tasks as `goldi TASK`, whatever program started Python.
    os.environ.setdefault(invocation.VARIABLE, "goldi")
    namespace = Collection(build, cache, ci, compose, devcontainer, engine)
    program = GoldiProgram(__version__, namespace, "goldi", invocation.typed_command(), binary_names=["goldi"])
    with _output.quiet():
        program.run()


@contextmanager
def _without_mocks() -> Iterator[None]:
    """Import invoke without unittest.mock and its asyncio, which are a fifth of the start-up time.

    invoke needs them for its MockContext only, which is for tests.
    """
    name = "unittest.mock"
    if name in sys.modules:
        yield
        return
    stub = ModuleType(name)
    stub.__dict__["Mock"] = object
    sys.modules[name] = stub
    try:
        yield
    finally:
        # A later import gets the real module.
        del sys.modules[name]


def _exit_interrupted() -> None:
    print("goldi: interrupted.", file=sys.stderr)
    sys.exit(130)

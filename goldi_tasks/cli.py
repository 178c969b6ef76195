"""The `goldi` command: the same namespaces as in a project's tasks.py, in any directory."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


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
    with _without_mocks():
        from invoke.collection import Collection

    from goldi_tasks import __version__, invocation
    from goldi_tasks.tasks import _output, build, cache, ci, compose, devcontainer, engine
    from goldi_tasks.tasks._program import GoldiProgram

    # Whatever started Python, what works here is `goldi`.
    os.environ.setdefault(invocation.VARIABLE, "goldi")
    namespace = Collection(build, cache, ci, compose, devcontainer, engine)
    program = GoldiProgram(__version__, namespace, "goldi", invocation.command(), binary_names=["goldi"])
    with _output.quiet():
        program.run()


@contextmanager
def _without_mocks() -> Iterator[None]:
    """Let invoke be imported without unittest.mock and its asyncio, a fifth of the time that it takes us to start.

    It wants them for its MockContext, which is for tests.
    """
    name = "unittest.mock"
    if name in sys.modules:
        yield
        return
    nothing = ModuleType(name)
    nothing.__dict__["Mock"] = object
    sys.modules[name] = nothing
    try:
        yield
    finally:
        # Whoever wants it later gets the real one.
        del sys.modules[name]


def _interrupted() -> None:
    print("goldi: interrupted.", file=sys.stderr)
    sys.exit(130)

"""Use the engine that answers, or start one of our own. Each task imports the modules that it needs."""

from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context

from goldi_tasks import process
from goldi_tasks.invocation import as_typed
from goldi_tasks.tasks._consent import YES, confirm
from goldi_tasks.tasks._task import print_result, task


@task()
def up(c: Context) -> None:
    """Use the engine that answers, or start one; make base images if no registry answers, and what compose mounts."""
    from goldi_tasks import inside_container
    from goldi_tasks.compose import host_setup
    from goldi_tasks.engine import DEFAULT_PATHS, daemon

    inside_container.expect_outside()
    daemon.up(DEFAULT_PATHS)
    host_setup.prepare_project(Path.cwd())


@task(help={"purge": "Also remove it: packages, images, volumes, networks, everything it created.", "yes": YES})
def down(c: Context, purge: bool = False, yes: bool = False) -> None:
    """Stop the engine that `engine.up` started; the host's own engine is left alone."""
    from goldi_tasks.engine import DEFAULT_PATHS, daemon

    if purge and not process.is_dry():
        confirm(daemon.find_loss(DEFAULT_PATHS), yes)
    daemon.down(DEFAULT_PATHS, purge=purge)


@task(help={"json": "Print it for scripts."})
def status(c: Context, json: bool = False) -> None:
    """Show which engine answers, its versions and store, who runs it, and how old our packages are."""
    from goldi_tasks.engine import DEFAULT_PATHS, daemon, distribution

    engine_status, error = daemon.status(DEFAULT_PATHS)
    print_result(engine_status, [as_typed(distribution.describe(engine_status))], json=json)
    if error:
        raise error


ns = Collection("engine", up, down, status)

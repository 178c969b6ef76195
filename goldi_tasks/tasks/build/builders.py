"""What builds: the builder, and what runs programs of other platforms."""

import sys
from contextlib import redirect_stdout
from pathlib import Path

from invoke.context import Context

from goldi_tasks import settings as project
from goldi_tasks.errors import NotAProject
from goldi_tasks.tasks._task import task
from goldi_tasks.tasks.build._json import print_json


@task(
    help={
        "create": "Create it: the one that the settings choose, or goldilocks-builder as the guide does.",
        "reset": "Remove it with its cache, and create it.",
        "json": "Print it for scripts.",
    }
)
def builder(c: Context, create: bool = False, reset: bool = False, json: bool = False) -> None:
    """Show the builder in use, and whether it answers; create or reset it."""
    from goldi_tasks.bake.builders import describe

    try:
        settings = project.load(Path.cwd())
    except NotAProject:
        settings = project.outside()
    if reset:
        describe.reset(settings, Path.cwd())
    elif create:
        describe.create(settings, Path.cwd())
    else:
        found = describe.found(settings)
        if json:
            print_json(found)
        for line in describe.lines(found):
            if not json:
                print(line)


@task(
    help={
        "install": "Register QEMU for what is missing, as root or through sudo. (With a registry in reach others use "
        "`docker run --privileged --rm tonistiigi/binfmt --install all`.)",
        "uninstall": "Remove what --install registered, and nothing else.",
        "json": "Print it for scripts.",
    }
)
def binfmt(c: Context, install: bool = False, uninstall: bool = False, json: bool = False) -> None:
    """Show which platforms run here, natively or emulated; set emulation up, or remove it."""
    from goldi_tasks.engine import HERE, platforms
    from goldi_tasks.engine import binfmt as emulators

    # What is said on the way is not for scripts.
    with redirect_stdout(sys.stderr if json else sys.stdout):
        if uninstall:
            emulators.uninstall(HERE)
        if install:
            emulators.install(HERE)
    found = emulators.found()
    if json:
        print_json(platforms.as_json(found))
        return
    for line in platforms.lines(found):
        print(line)

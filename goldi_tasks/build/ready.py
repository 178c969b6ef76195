"""The image of a target that is built, and the files that decide it: while none of them changes, it stays."""

from pathlib import Path

from goldi_tasks import run
from goldi_tasks.build import context, kept
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, NoEngine
from goldi_tasks.plan import selection
from goldi_tasks.settings import Settings


def image(settings: Settings, target: str) -> str:
    """The id of the image of `target`. Raises NoEngine if the engine does not have it."""
    name = f"{settings.image}:{target}"
    try:
        return run.capture(Command(("docker", "image", "inspect", "--format", "{{.Id}}", name))).strip()
    except CommandFailed as error:
        problem = f"the image {name} is not with the engine that runs containers"
        raise NoEngine(problem, "Let builds load their images: remove `output` from the bake file") from error


def files(settings: Settings, target: str) -> list[Path]:
    """Every file and directory that goes into `target`, as its last build found, or says how; there or not."""
    folder, project = settings.bake_file.parent, settings.project
    last = kept.read(settings).get("contexts", {}).get(target, {})
    only = last.get("only", context.WHOLE)
    chosen = selection.parse(only)
    read = [project / name for name in context.names(settings) if chosen.takes(name, (project / name).is_dir())]
    said = ("docker-bake.json", "Dockerfile", "Dockerfile.dockerignore", ".env")
    # Something new in a directory changes the directory.
    top = [project] if "." in only else []
    return [*(folder / name for name in said), project / ".dockerignore", *top, *read]

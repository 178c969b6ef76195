"""Which base images a build starts from."""

from collections.abc import Mapping

from goldi_tasks import envfile
from goldi_tasks.settings import Settings

# The database's image as the compose file names it, and what the bake target `postgres` makes for where no registry
# answers, never by the official name.
DATABASE, DATABASE_MADE = "postgres:17-trixie", "localhost/goldi/postgres:17-trixie"
# The lines of .env that make compose build it.
BUILT = {"POSTGRES_IMAGE": DATABASE_MADE, "GOLDI_DATABASE": "built"}


def base_images(settings: Settings, env_file: str) -> dict[str, str]:
    """PYTHON_IMAGE and NODE_IMAGE: those the user chose, else those in `env_file`, else the official ones.

    `env_file` is the text of infrastructure/docker/.env, which `engine.up` writes where no registry can be
    reached; "" if there is none.
    """
    chosen = {"PYTHON_IMAGE": settings.python_image, "NODE_IMAGE": settings.node_image}
    return chosen if settings.images_chosen else chosen | _named(env_file, *chosen)


def database_image(settings: Settings, env_file: str) -> dict[str, str]:
    """POSTGRES_IMAGE in the same way, and whether compose builds it; nothing where neither names one."""
    name = settings.postgres_image or _named(env_file, "POSTGRES_IMAGE").get("POSTGRES_IMAGE", "")
    if name == DATABASE_MADE:
        return dict(BUILT)
    return {"POSTGRES_IMAGE": name, "GOLDI_DATABASE": "pulled"} if name else {}


def in_words(names: Mapping[str, str]) -> str:
    """The images of `names`, as a list in a sentence."""
    *first, last = dict.fromkeys(name for variable, name in names.items() if variable != "GOLDI_DATABASE")
    return f"{', '.join(first)} and {last}" if first else last


def _named(env_file: str, *names: str) -> dict[str, str]:
    return {name: value for name, value in envfile.read(env_file).items() if name in names and value}

"""Choose the base images of builds and the image of the stack's database."""

from collections.abc import Mapping

from goldi_tasks import envfile
from goldi_tasks.settings import Settings

# The database's image in the compose file, and the image that the bake target `postgres` builds where no registry
# answers, which never gets the official name.
DATABASE, DATABASE_MADE = "postgres:17-trixie", "localhost/goldi/postgres:17-trixie"
# The lines of .env that make compose build it.
BUILT = {"POSTGRES_IMAGE": DATABASE_MADE, "GOLDI_DATABASE": "built"}


def base_images(settings: Settings, env_file: str) -> dict[str, str]:
    """Return PYTHON_IMAGE and NODE_IMAGE: the user's choice, else the values in `env_file`, else the official images.

    `env_file` is the text of infrastructure/docker/.env, which `engine.up` writes where no registry can be
    reached; "" if there is none.
    """
    chosen = {"PYTHON_IMAGE": settings.python_image, "NODE_IMAGE": settings.node_image}
    return chosen if settings.images_chosen else chosen | _read_names(env_file, *chosen)


def database_image(settings: Settings, env_file: str) -> dict[str, str]:
    """Return POSTGRES_IMAGE, chosen likewise, and GOLDI_DATABASE, `built` or `pulled`; {} where nothing is chosen."""
    name = settings.postgres_image or _read_names(env_file, "POSTGRES_IMAGE").get("POSTGRES_IMAGE", "")
    if name == DATABASE_MADE:
        return dict(BUILT)
    return {"POSTGRES_IMAGE": name, "GOLDI_DATABASE": "pulled"} if name else {}


def join_names(names: Mapping[str, str]) -> str:
    """Return the images in `names` (variable to image) as a list for a sentence: `a, b and c`."""
    *first, last = dict.fromkeys(name for variable, name in names.items() if variable != "GOLDI_DATABASE")
    return f"{', '.join(first)} and {last}" if first else last


def _read_names(env_file: str, *names: str) -> dict[str, str]:
    return {name: value for name, value in envfile.read(env_file).items() if name in names and value}

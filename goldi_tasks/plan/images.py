"""Which base images a build starts from."""

from goldi_tasks.settings import Settings

# What the bake target `postgres` makes, for where no registry answers; never by the official name.
DATABASE_MADE = "localhost/goldi/postgres:17-trixie"


def base_images(settings: Settings, env_file: str) -> dict[str, str]:
    """PYTHON_IMAGE and NODE_IMAGE: those the user chose, else those in `env_file`, else the official ones.

    `env_file` is the text of infrastructure/docker/.env, which `engine.up` writes where no registry can be
    reached; "" if there is none.
    """
    chosen = {"PYTHON_IMAGE": settings.python_image, "NODE_IMAGE": settings.node_image}
    return chosen if settings.images_chosen else chosen | _named(env_file, *chosen)


def database_image(settings: Settings, env_file: str) -> dict[str, str]:
    """POSTGRES_IMAGE in the same way; nothing where neither names one: then the compose file does."""
    if settings.postgres_image:
        return {"POSTGRES_IMAGE": settings.postgres_image}
    return _named(env_file, "POSTGRES_IMAGE")


def _named(env_file: str, *names: str) -> dict[str, str]:
    lines = (line.strip().partition("=") for line in env_file.splitlines())
    return {name: value for name, _, value in lines if name in names and value}

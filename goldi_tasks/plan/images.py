"""Which base images a build starts from."""

from goldi_tasks.settings import Settings


def base_images(settings: Settings, env_file: str) -> dict[str, str]:
    """PYTHON_IMAGE and NODE_IMAGE: those the user chose, else those in `env_file`, else the official ones.

    `env_file` is the text of infrastructure/docker/.env, which `engine.up` writes where no registry can be
    reached; "" if there is none.
    """
    chosen = {"PYTHON_IMAGE": settings.python_image, "NODE_IMAGE": settings.node_image}
    if settings.images_chosen:
        return chosen
    lines = (line.strip().partition("=") for line in env_file.splitlines())
    return chosen | {name: value for name, _, value in lines if name in chosen and value}

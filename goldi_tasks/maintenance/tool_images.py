"""Name images that the engine may have and that contain the programs that work on a cache."""

from goldi_tasks.engine import distribution
from goldi_tasks.settings import Settings, image_names


def with_python(settings: Settings | None) -> tuple[str, ...]:
    """Return images with Python: the project's tools image, its base image, and the one that `engine.up` builds."""
    own_base = distribution.IMAGES["PYTHON_IMAGE"].name
    if settings is None:
        return (own_base,)
    base = image_names.base_images(settings, settings.made_images)["PYTHON_IMAGE"]
    return tuple(dict.fromkeys((f"{settings.image}:tools", base, own_base)))


def with_tool(settings: Settings | None, cache: str) -> tuple[str, ...]:
    """Return images with the program that fills `cache`; with Python where `cache` is ""."""
    if not cache or settings is None:
        return with_python(settings)
    project_images = tuple(f"{settings.image}:{target}" for target in ("tools", "devcontainer"))
    return (*project_images, image_names.base_images(settings, settings.made_images)["NODE_IMAGE"])

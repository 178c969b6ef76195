"""Build the database's image from Debian's packages where no registry answers."""

from goldi_tasks import envfile, process
from goldi_tasks.bake import bakefile, builds, summary
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.engine import base_images
from goldi_tasks.settings import Settings, image_names


def provide(settings: Settings, image: str) -> bool:
    """Build the database's image if `image` is it and is not available; return whether `.env` was changed."""
    built_image = image_names.DATABASE_MADE
    is_database = image == built_image or (image.startswith("postgres:") and not settings.postgres_image)
    if process.is_dry() or not is_database or not bakefile.builds_database(settings) or base_images.is_available(image):
        return False
    if image != built_image:
        print(f"no registry answers: {settings.env_file} names {built_image} instead of {image}")
    builds.build_targets(settings, BuildRequest(("postgres",)), summary.show_if_built)
    return envfile.write(settings.env_file, image_names.BUILT)

"""Build the database's image from Debian's packages where no registry has it."""

from goldi_tasks import envfile, process
from goldi_tasks.bake import bakefile, builds, summary
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.engine import base_images
from goldi_tasks.settings import Settings, image_names


def provide(settings: Settings, image: str) -> bool:
    """Build the database's image if `image` is it and is not available; return whether `.env` names another now."""
    made = image_names.DATABASE_MADE
    ours = image == made or (image.startswith("postgres:") and not settings.postgres_image)
    if process.is_dry() or not ours or not bakefile.builds_database(settings) or base_images.can_be_had(image):
        return False
    if image != made:
        print(f"no registry answers: {settings.env_file} names {made} instead of {image}")
    builds.build(settings, BuildRequest(("postgres",)), summary.show_if_built)
    return envfile.write(settings.env_file, image_names.BUILT)

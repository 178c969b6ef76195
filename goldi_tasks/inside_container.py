"""Tell whether we run inside one of our containers: tasks for the host are refused there."""

import os

from goldi_tasks.errors import NoDevcontainer

# Set in the tools image, and so in the dev container's image, which is built from it.
VARIABLE = "GOLDI_INSIDE"


def is_inside() -> bool:
    """Return whether this process runs inside one of our containers."""
    return bool(os.environ.get(VARIABLE))


def expect_outside() -> None:
    """Raise NoDevcontainer inside a container: containers, caches and .env belong to the host."""
    if is_inside():
        raise NoDevcontainer("this is the inside of a container", "Run it on the host")

"""The inside of a container of ours: what is true there is never written for the machine outside."""

import os

from goldi_tasks.errors import NoDevcontainer

# Set in the tools image, and in the dev container's, which is made from it.
VARIABLE = "GOLDI_INSIDE"


def is_inside() -> bool:
    """Return whether this is the inside of a container of ours."""
    return bool(os.environ.get(VARIABLE))


def expect_outside() -> None:
    """Raise NoDevcontainer inside: containers, caches and .env belong to the machine outside."""
    if is_inside():
        raise NoDevcontainer("this is the inside of a container", "Run it on the host")

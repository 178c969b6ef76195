"""Checks in the tools image: the container that is kept for them, and one check in it."""

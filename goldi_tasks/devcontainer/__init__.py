"""The dev container: made by the dev container CLI, entered without it, removed; and git's permissions."""

"""Run checks in the tools image, in a container that is kept for the next ones."""

"""Run `docker buildx bake` for a project: decide whether a build is needed, run it, report and record the result."""

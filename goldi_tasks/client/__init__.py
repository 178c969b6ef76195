"""Query Docker's client, engine and registries, and build the arguments of `docker run`."""

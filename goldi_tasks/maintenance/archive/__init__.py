"""Save caches to one archive file, check such a file, and restore caches from it."""

"""Measure the caches, as fast as `du`, and the build cache; report both as a table or JSON."""

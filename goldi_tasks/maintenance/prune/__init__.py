"""Prune caches: choose what to remove and why, run the tools' own commands, and apply the limits automatically."""

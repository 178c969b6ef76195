"""Caches in one file: saved, checked and put in place elsewhere."""

"""Keep caches small and sound: usage, prune, clear, doctor, archives."""

"""Local build caches as buildx writes them: `layout` reads them, `stage` exports whole or not at all, `mend` drops."""

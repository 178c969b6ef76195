"""Put one directory in another's place at one instant."""

import os
import uuid
from pathlib import Path

from goldi_tasks.cache.exchange import exchange

# What begins like this is nobody's cache, and is removed when nobody holds it.
PREFIX = ".goldi-"


def swap(new: Path, old: Path) -> None:
    """Exchange two directories that lie side by side; `old` need not exist. Raises OSError."""
    folder = os.open(old.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        exchange(old.name, folder, new.name, folder)
    except FileNotFoundError:
        new.rename(old)
    finally:
        os.close(folder)


def aside_of(directory: Path, kind: str = "old") -> Path:
    """A name beside `directory` that nobody has."""
    return directory.with_name(f"{PREFIX}{kind}-{directory.name}-{uuid.uuid4().hex[:8]}")

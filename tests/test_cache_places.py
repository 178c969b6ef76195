"""The seven places that repeat the table of caches in a language of their own."""

from collections.abc import Callable

import pytest

from goldi_tasks.paths import CACHES, Cache
from tests.conftest import REPO

# What each place has to hold for a cache; "" where it has no need of it.
PLACES: dict[str, Callable[[Cache], str]] = {
    "infrastructure/docker/Dockerfile": lambda cache: f"{cache.variable}=" if cache.variable else "",
    "infrastructure/docker/docker-bake.json": lambda cache: "" if cache.mount else f"/{cache.name}/",
    "infrastructure/docker/docker-compose.yml": lambda cache: f"/{cache.name}" if cache.mount else "",
    "infrastructure/docker/setup-cache.sh": lambda cache: cache.name,
    ".devcontainer/devcontainer.json": lambda cache: f"/{cache.name},target=" if cache.mount else "",
    ".devcontainer/initialize.sh": lambda cache: f"lead {cache.name} " if cache.mount else "",
    "docs/caches.md": lambda cache: f"| `{cache.name}` |",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_place_holds_every_cache_of_the_table(place: str) -> None:
    text = (REPO / place).read_text(encoding="utf-8")
    missing = [cache.name for cache in CACHES if PLACES[place](cache) not in text]
    assert not missing, f"{place} does not have {', '.join(missing)}"

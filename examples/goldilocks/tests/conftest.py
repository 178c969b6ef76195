"""Fixtures for all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from goldilocks.app import create_app
from goldilocks.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An empty database in memory, and a front end of one page."""
    static = tmp_path / "static"
    static.mkdir()
    (static / "index.html").write_text("<title>Goldilocks</title>")
    return Settings(database_url="sqlite://", goldilocks_static=static)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """A client of a started application."""
    with TestClient(create_app(settings)) as client:
        yield client

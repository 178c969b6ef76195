"""The service's health, its static page, and its settings."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import inspect

from goldilocks.app import create_app
from goldilocks.database import make_engine
from goldilocks.migrations import migrate
from goldilocks.settings import FRONTEND_DIST, Settings


def test_health(client: TestClient) -> None:
    response = client.get("/health")
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


def test_health_with_broken_database(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "bowls.db"
    app = create_app(Settings(database_url=f"sqlite:///{missing}"))
    response = TestClient(app).get("/health")  # not started: that would fail earlier
    assert response.status_code == 503
    assert response.json() == {"status": "unavailable"}


def test_static_page(client: TestClient) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "<title>Goldilocks</title>" in response.text


def test_no_static_page_without_a_build(tmp_path: Path) -> None:
    settings = Settings(goldilocks_static=tmp_path / "missing")
    with TestClient(create_app(settings)) as client:
        assert client.get("/").status_code == 404
        assert client.get("/health").status_code == 200


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://bear@den/bowls")
    monkeypatch.setenv("GOLDILOCKS_STATIC", "")  # empty counts as unset
    settings = Settings()
    assert settings.database_url == "postgresql+psycopg://bear@den/bowls"
    assert settings.goldilocks_static == FRONTEND_DIST


def test_migrate_twice() -> None:
    engine = make_engine("sqlite://")
    migrate(engine)
    migrate(engine)
    assert inspect(engine).get_table_names() == ["bowls"]
    engine.dispose()

"""Listing and creating bowls."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from goldilocks.app import create_app
from goldilocks.bowls import LIST_LIMIT
from goldilocks.settings import Settings


def test_no_bowls_at_first(client: TestClient) -> None:
    response = client.get("/api/bowls")
    assert response.status_code == 200
    assert response.json() == []


def test_create_and_list(client: TestClient) -> None:
    response = client.post("/api/bowls", json={"text": "  too hot "})
    assert response.status_code == 201
    hot = response.json()
    assert hot["text"] == "too hot"
    age = datetime.now(UTC) - datetime.fromisoformat(hot["created_at"])
    assert timedelta() <= age < timedelta(minutes=1)

    right = client.post("/api/bowls", json={"text": "just right"}).json()
    assert client.get("/api/bowls").json() == [right, hot]


def test_list_is_limited(client: TestClient) -> None:
    for number in range(LIST_LIMIT + 1):
        client.post("/api/bowls", json={"text": str(number)})
    bowls = client.get("/api/bowls").json()
    assert len(bowls) == LIST_LIMIT
    assert bowls[0]["text"] == str(LIST_LIMIT)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": ""},
        {"text": "   "},
        {"text": "nul \0"},
        {"text": "x" * 281},
        {"text": 7},
        "too hot",
    ],
)
def test_bad_input(client: TestClient, body: object) -> None:
    assert client.post("/api/bowls", json=body).status_code == 422
    assert client.get("/api/bowls").json() == []


def test_no_bowl_is_lost_among_threads(client: TestClient) -> None:
    def create_and_list(number: int) -> int:
        client.get("/api/bowls")
        return client.post("/api/bowls", json={"text": str(number)}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(create_and_list, range(64))) == {201}
    assert len(client.get("/api/bowls").json()) == 64


def test_bowls_in_a_file_outlive_the_process(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'bowls.db'}")
    with TestClient(create_app(settings)) as client:
        bowl = client.post("/api/bowls", json={"text": "just right"}).json()
    with TestClient(create_app(settings)) as client:
        assert client.get("/api/bowls").json() == [bowl]

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from goldi_tasks import settings as project_settings
from goldi_tasks.checks import container
from goldi_tasks.checks.container import ContainerFacts
from goldi_tasks.settings import Settings


@pytest.fixture
def settings(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return project_settings.load(project, {})


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was changed until now was changed a while ago."""
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 10 * container.YOUNG)


@pytest.fixture
def kept(settings: Settings, tmp_path: Path, later: None, monkeypatch: pytest.MonkeyPatch) -> ContainerFacts:
    (tmp_path / "lock").write_text("one")
    found = ContainerFacts("0:0", "told")
    container.remember(settings, found, [tmp_path / "lock", tmp_path / "missing"])
    assert container.load(settings) == found
    return found


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda path: (path / "lock").write_text("two!"),
    "mode": lambda path: (path / "lock").chmod(0o700),
    "gone": lambda path: (path / "lock").unlink(),
    "another": lambda path: (path / "missing").touch(),
    "old time": lambda path: os.utime(path / "lock", (1, 1)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_file_is_a_reason_to_look(
    settings: Settings, kept: ContainerFacts, tmp_path: Path, name: str
) -> None:
    CHANGES[name](tmp_path)
    assert container.load(settings) is None


@pytest.mark.parametrize("name", ["DOCKER_HOST", "DOCKER_CONTEXT", "PIP_INDEX_URL", "https_proxy"])
def test_so_is_another_engine_or_network(
    settings: Settings, kept: ContainerFacts, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "other")
    assert container.load(settings) is None


def test_and_a_setting(project: Path, settings: Settings, kept: ContainerFacts) -> None:
    assert container.load(project_settings.load(project, {"GOLDI_INSTALLER": "pip"})) is None
    assert container.load(project_settings.load(project, {"GOLDI_WARM": "0", "GOLDI_RUN": "host"})) == kept


def test_what_was_changed_just_now_is_not_remembered(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lock").write_text("one")
    container.remember(settings, ContainerFacts("0:0", "told"), [tmp_path / "lock"])
    assert container.load(settings) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"user": 1}', "\x00"])
def test_what_is_no_memory_is_none(settings: Settings, kept: ContainerFacts, tmp_path: Path, text: str) -> None:
    (tmp_path / "state/goldi/checks" / f"{settings.key}.json").write_text(text)
    assert container.load(settings) is None

"""Whether something surely changed since targets were built: a hint, so that what a build needs is asked for early."""

from pathlib import Path

import pytest

from goldi_tasks.build import context, kept, made
from goldi_tasks.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project of which `first` has read all and `second` one directory."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    project = tmp_path / "project"
    (project / "folder").mkdir(parents=True)
    (project / "infrastructure/docker").mkdir(parents=True)
    (project / "infrastructure/docker/docker-bake.json").touch()
    (project / "file").write_text("one")
    found = Settings(project)
    only = {"first": ["."], "second": ["folder"]}
    digests = {name: context.look(project, "", {}, paths).digest for name, paths in only.items()}
    last = {name: {"only": only[name], "digest": digests[name]} for name in only}
    kept.write(found, {"contexts": last})
    return found


def changed(settings: Settings) -> set[str]:
    return {name for name in ("first", "second", "third") if made.changed(settings, (name,))}


def test_it_is_said_by_targets(settings: Settings) -> None:
    assert changed(settings) == {"third"}
    (settings.project / "file").write_text("two")
    assert changed(settings) == {"first", "third"}
    (settings.project / "folder" / "new").touch()
    assert changed(settings) == {"first", "second", "third"}


def test_what_another_version_has_kept_is_not_read(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "VERSION", kept.VERSION + 1)
    assert changed(settings) == {"first", "second", "third"}

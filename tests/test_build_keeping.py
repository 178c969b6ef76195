"""When a local cache is exported."""

from pathlib import Path

import pytest

from goldi_tasks.bake import export_policy
from goldi_tasks.bake.progress.events import Vertex
from goldi_tasks.bake.progress.running_build import RunningBuild


def ran(seconds: float) -> RunningBuild:
    build = RunningBuild()
    build.apply(Vertex("sha256:1", "[builder 1/2] RUN one", started=1.0, completed=1.0 + seconds))
    build.apply(Vertex("sha256:2", "[builder 2/2] RUN two", started=1.0, completed=90.0, cached=True))
    return build


@pytest.mark.parametrize(
    ("seconds", "environ", "worth"),
    [(0.1, {}, False), (4.9, {}, False), (5.0, {}, True), (1.9, {"CI": "1"}, False), (2.0, {"CI": "1"}, True)],
)
def test_a_cache_is_exported_where_that_saves_time(
    tmp_path: Path, seconds: float, environ: dict[str, str], worth: bool
) -> None:
    assert export_policy.should_export_local(ran(seconds), [tmp_path], environ), "there is none yet"
    (tmp_path / "index.json").touch()
    assert export_policy.should_export_local(ran(seconds), [tmp_path], environ) is worth
    assert export_policy.should_export_local(ran(seconds), [tmp_path, tmp_path / "other"], environ)


@pytest.mark.parametrize(("seconds", "error", "sent"), [(0.1, "", False), (5.0, "", True), (0.1, "x: not found", True)])
def test_a_cache_is_sent_where_it_is_not_yet_or_that_saves_time(seconds: float, error: str, sent: bool) -> None:
    build = ran(seconds)
    name = "reg.example/app-cache:x"
    build.apply(Vertex("i", f"importing cache manifest from {name}", started=1.0, completed=2.0, error=error))
    assert export_policy.should_export_remote(build, {name}, {}) is sent
    assert export_policy.should_export_remote(build, {"another"}, {})
    assert export_policy.should_export_remote(build, set(), {}), "nobody can say what is there"

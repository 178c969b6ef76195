import json
import threading
from pathlib import Path

import pytest

from goldi_tasks.bake import build_history, summary
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.bake.progress.events import Vertex
from goldi_tasks.bake.progress.running_build import RunningBuild
from goldi_tasks.bake.summary import Summary
from goldi_tasks.errors import UnknownName
from goldi_tasks.settings import Settings
from tests import streams

SECOND = 1_000_000_000


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Settings(tmp_path, image="https://user:hunter2@mirror/x")


def gather(build: RunningBuild, result: str = "built") -> Summary:
    return summary.gather(result, ("both", "right"), build, Path("/nowhere"), (3, 96_500), 4.2)


def test_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    found = gather(streams.build(streams.text("cold")))
    assert (found.steps, found.cached) == (7, 1)
    assert found.context.sent
    assert next(iter(found.stages)) == "base"
    assert 0.9 < found.stages["left"] < 2
    assert found.export > 0.1
    times = [seconds for seconds, _ in found.longest]
    assert len(times) == 3
    assert times == sorted(times, reverse=True)
    summary.show(found)
    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith("7 steps, 1 cached, base ")
    assert said[-1] == "4.2 s, context 3 files, 96 kB (192 kB sent)"
    assert json.loads(json.dumps(summary.as_json(found)))["longest"][0].keys() == {"seconds", "name"}


def test_a_failed_build_says_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    summary.show(gather(streams.build(streams.text("failing")), "failed"))
    assert capsys.readouterr().out == ""


def test_a_record_is_whole_small_and_has_no_secrets(settings: Settings) -> None:
    build = RunningBuild()
    for number in range(200):
        name = f"[stage 1/2] RUN use s3cret9 https://user:hunter2@example.org {'x' * 300}"
        build.apply(Vertex(f"sha256:{number:064}", name, started=1.0, completed=2.0 + number))
    wanted = BuildRequest(("both",), sets=("*.args.TOKEN=s3cret9",))
    build_history.write_record(settings, wanted, build, gather(build), 5 * SECOND)
    (file,) = (Path(settings.project) / "state/goldi/builds" / settings.key).iterdir()
    text = file.read_text(encoding="utf-8")
    assert file.stat().st_size < 20_000
    assert "hunter2" not in text
    assert "s3cret9" not in text
    (read,) = build_history.read_records(settings, 10)
    assert read["wanted"]["sets"] == ["*.args.TOKEN"]
    assert read["when"] == "1970-01-01T00:00:05+00:00"
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_newest_are_kept_whoever_writes_at_the_same_time(settings: Settings) -> None:
    build = streams.build(streams.text("cached"))

    def write(first: int) -> None:
        for second in range(first, first + 40):
            build_history.write_record(settings, BuildRequest(("both",)), build, gather(build), second * SECOND)

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = list(build_history.read_records(settings, 1000))
    assert len(found) == build_history.KEPT
    assert [read["id"] for read in found] == sorted((read["id"] for read in found), reverse=True)
    assert found[0]["when"] == "1970-01-01T00:02:19+00:00"
    assert len(list(build_history.read_records(settings, 2))) == 2
    assert build_history.find_record(settings, found[3]["id"]) == found[3]
    with pytest.raises(UnknownName, match="no build 'x' in the history"):
        build_history.find_record(settings, "x")
    assert len(list(build_history.format_records(found))) == len(found)


def test_what_is_no_record_is_left_out(settings: Settings) -> None:
    folder = settings.project / "state/goldi/builds" / settings.key
    folder.mkdir(parents=True)
    (folder / "1.json").write_text("{")
    (folder / "2.json").write_text("[]")
    (folder / "3.json").write_text('{"when": 3}')
    assert list(build_history.format_records(list(build_history.read_records(settings, 9)))) == ["3  ?"]


def test_a_state_directory_that_cannot_be_written_is_one_warning(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    (settings.project / "state").write_text("a file")
    build_history.write_record(settings, BuildRequest(("both",)), RunningBuild(), gather(RunningBuild()), 0)
    said = capsys.readouterr().err
    assert said.startswith("goldi: this build is not in the history: ")
    assert said.count("\n") == 1
    assert list(build_history.read_records(settings, 3)) == []

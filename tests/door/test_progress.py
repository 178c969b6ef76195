"""What a build shows and keeps, from the command line, with buildx's recorded words."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, Interrupted
from tests import streams
from tests.door.conftest import BIN, Stage

pytestmark = pytest.mark.door

METADATA = {"production": {"image.name": "docker.io/library/three-bears:latest"}}


def heard(stage: Stage, name: str, **more: object) -> None:
    """A bake that says what was recorded."""
    stage.docker.answer("image ls", stdout="0123456789ab 141MB\n")
    stage.docker.answer("buildx bake", stderr=streams.text(name), **more)


def test_plain_lines_and_a_summary(stage: Stage) -> None:
    heard(stage, "cold", metadata=METADATA)
    done = stage.goldi("build.prod")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^#\d+ 0\.\d+ left 2$", done.stderr, re.MULTILINE)
    assert "\x1b" not in done.stderr
    assert '"vertexes"' not in done.stderr
    assert "7 steps, 1 cached, base " in done.stdout
    assert "kB sent)" in done.stdout.splitlines()[-1]


def test_what_came_from_the_cache_is_only_counted(stage: Stage) -> None:
    heard(stage, "cached", metadata=METADATA)
    done = stage.goldi("build.prod")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "7 steps, 7 cached" in done.stdout


@pytest.mark.parametrize("name", ["0.36-cached", "0.36-code-only"])
def test_alarms_of_newer_buildx_are_none(stage: Stage, name: str) -> None:
    """A cache that is not there yet, and steps that wait for each other's layers."""
    assert "ERROR: " in streams.text(name)
    heard(stage, name, metadata=METADATA)
    for progress in ("brief", "plain", "tty", "quiet"):
        done = stage.goldi("build.prod", "--progress", progress)
        assert done.returncode == 0
        assert "ERROR" not in done.stderr
        assert "WARNING" not in done.stderr


def test_the_summary_as_json(stage: Stage) -> None:
    heard(stage, "cached", metadata=METADATA)
    done = stage.goldi("build.prod", "--json", "--progress", "plain")
    told = json.loads(done.stdout)
    assert (told["result"], told["steps"], told["cached"]) == ("built", 7, 7)
    assert told["images"] == [{"tag": "three-bears:latest", "id": "0123456789ab", "size": "141MB"}]
    assert told["context"].keys() == {"files", "bytes", "sent"}
    assert "CACHED" in done.stderr


def test_a_failure_shows_the_last_output_and_the_place(stage: Stage) -> None:
    heard(stage, "failing", code=1)
    done = stage.goldi("build.prod", "--progress", "quiet", "--json")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[1].startswith(" > [failing 2/2] RUN seq 1 30;")
    assert lines[2] == "13"
    assert lines.index("Dockerfile:19") > lines.index("cat: /nowhere: No such file or directory")
    assert lines[-1] == "goldi: docker buildx ended with exit code 1."
    assert json.loads(done.stdout)["result"] == "failed"
    assert "failed" in stage.goldi("build.history").stdout


def test_rawjson_is_buildxs_own(stage: Stage) -> None:
    heard(stage, "cold", metadata=METADATA)
    assert stage.goldi("build.prod", "--progress", "rawjson").stderr == streams.text("cold")


def test_a_misspelt_progress(stage: Stage) -> None:
    done = stage.goldi("build.prod", "--progress", "plian")
    assert done.returncode == 5
    assert done.stderr == "goldi: no progress mode 'plian'. Did you mean 'plain'?\n"


def test_what_is_shown_and_kept_has_no_password(stage: Stage) -> None:
    said = streams.text("failing").replace("cat: /nowhere:", "cat: https://u:hunter2@x:")
    said = said.replace("RUN seq 1 30;", "RUN seq https://u:hunter2@x;")
    heard(stage, "failing", code=1)
    stage.docker.answer("buildx bake", stderr=said, code=1)
    for progress in ("brief", "plain", "tty", "quiet", "rawjson"):
        done = stage.goldi("build.prod", "--progress", progress)
        assert "hunter2" not in done.stderr + done.stdout
        assert "u:***@x" in done.stderr
    assert "hunter2" not in stage.goldi("build.history", "--json").stdout


def test_the_history(stage: Stage) -> None:
    assert stage.goldi("build.history").stdout == ""
    heard(stage, "cold", metadata=METADATA)
    assert stage.goldi("build.prod", "--set", "*.args.TOKEN=hunter2").returncode == 0
    heard(stage, "failing", code=3)
    assert stage.goldi("build.all").returncode == 3
    newest, first = json.loads(stage.goldi("build.history", "--json").stdout)
    assert (newest["result"], newest["targets"][0]) == ("failed", "builder")
    assert (first["result"], first["targets"]) == ("built", ["production"])
    assert "hunter2" not in json.dumps(first)
    assert len(json.loads(stage.goldi("build.history", "--json", "--number", "1").stdout)) == 1
    assert json.loads(stage.goldi("build.history", "--show", first["id"]).stdout) == first
    assert stage.goldi("build.history", "--show", "nothing").returncode == 5
    rows = stage.goldi("build.history").stdout.splitlines()
    assert rows[0].split()[0] == newest["id"]
    assert "1/7 cached" in rows[1]
    assert not stage.goldi("--dry", "build.prod").stderr
    assert len(stage.goldi("build.history").stdout.splitlines()) == 2


def test_a_history_that_cannot_be_kept_costs_a_warning(stage: Stage) -> None:
    stage.env["XDG_STATE_HOME"] = "/proc/nowhere"
    heard(stage, "cached", metadata=METADATA)
    done = stage.goldi("build.prod", "--progress", "quiet")
    assert done.returncode == 0
    assert done.stderr.startswith("goldi: this build is not in the history: ")
    assert done.stderr.count("\n") == 1


def test_the_live_view_leaves_the_terminal_whole_after_ctrl_c(stage: Stage) -> None:
    stage.docker.answer("buildx bake", stderr=streams.text("cold"), hold=60)
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(ours)
    env = stage.env | {"TERM": "xterm"}
    with subprocess.Popen(
        (str(BIN / "goldi"), "build.prod"), cwd=stage.project, env=env, stdout=theirs, stderr=theirs, stdin=theirs
    ) as goldi:
        os.close(theirs)
        said = read(ours, until=b"right")
        goldi.send_signal(signal.SIGINT)
        said += read(ours)
    assert goldi.returncode == 130, said
    assert termios.tcgetattr(ours)[:4] == before[:4]
    os.close(ours)
    text = said.decode()
    assert "building production" in text
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l") >= 0
    assert text.rstrip().endswith("goldi: interrupted.")
    assert "interrupted" in stage.goldi("build.history").stdout


def read(handle: int, until: bytes = b"\0") -> bytes:
    """What is written, up to `until` or to the end."""
    said, end = b"", time.monotonic() + 20
    while until not in said and time.monotonic() < end:
        if not select.select([handle], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(handle, 65536)
        except OSError:
            # Linux's word for the end of a terminal.
            break
        if not data:
            break
        said += data
    return said


def python(code: str) -> Command:
    return Command((sys.executable, "-c", f"import signal, sys, time\n{code}"))


def test_a_stream_comes_as_it_is_written(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    # It writes, and ends when it hears that this has arrived.
    wait = f"import os\nwhile not os.path.exists({str(heard)!r}): time.sleep(0.01)"
    code = f"sys.stderr.write('ü'); sys.stderr.flush()\n{wait}"
    with process.stream(python(code)) as texts:
        assert next(text for text in texts if text) == "ü"
        assert next(texts) == "", "time goes by"
        heard.touch()


def test_a_stream_gives_both_outputs_where_both_are_wanted() -> None:
    with process.stream(python("print('out', flush=True); sys.stderr.write('err')"), whole=True) as texts:
        assert "".join(texts) == "out\nerr"


def test_a_stream_of_a_program_that_fails() -> None:
    with (
        pytest.raises(CommandFailed, match="ended with exit code 3") as caught,
        process.stream(python("sys.exit(3)")) as it,
    ):
        assert "".join(it) == ""
    assert caught.value.code == 3
    with pytest.raises(CommandFailed, match="is not installed"), process.stream(Command(("goldi-nowhere",))):
        pass


def test_a_stream_that_is_left_early_ends_the_program_and_hears_it_out(tmp_path: Path) -> None:
    end = tmp_path / "end"
    code = (
        "def told(*_):\n sys.stderr.write('x' * 1_000_000)\n sys.stderr.flush()\n"
        f" open({str(end)!r}, 'w').close()\n sys.exit(1)\n"
        "signal.signal(signal.SIGINT, told)\nsys.stderr.write('ready')\nsys.stderr.flush()\ntime.sleep(60)"
    )

    def leave() -> None:
        with process.stream(python(code)) as texts:
            assert next(text for text in texts if text) == "ready"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        leave()
    assert end.exists(), "a full pipe would have held it up"


def test_what_a_program_has_started_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docker, when it is gone before its plugin is: here the plugin does not hear Ctrl-C."""
    monkeypatch.setattr(process, "GRACE", 0.5)
    file = tmp_path / "pid"
    line = f"sleep 60 & echo $! > '{file}'; echo ready >&2; wait"

    def leave() -> None:
        with process.stream(Command(("sh", "-c", line))) as texts:
            assert next(text for text in texts if text) == "ready\n"
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        leave()
    arguments = Path(f"/proc/{file.read_text().strip()}/cmdline")
    end = time.monotonic() + 5
    # A zombie has no arguments.
    while arguments.exists() and arguments.read_text():
        assert time.monotonic() < end
        time.sleep(0.01)

"""A second private engine, in directories and a network of its own: brought up, killed, wiped."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from goldi_tasks.engine import EnginePaths, ensure_root_directory, packages
from goldi_tasks.errors import EngineFailed
from tests.real.second_engine import Call

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.getuid() != 0, reason="a private engine needs root")]


def kill_engine(place: EnginePaths) -> None:
    os.kill(int((place.run / "docker.pid").read_text(encoding="utf-8")), signal.SIGKILL)
    time.sleep(0.3)


def leftovers(place: EnginePaths, call: Call) -> list[str]:
    """What would be left of an engine."""
    base = place.run.parent
    lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists()]
    return [
        *(str(path) for path in base.rglob("*") if not (path.is_dir() and path.is_relative_to(place.local))),
        *(row for row in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines() if str(base) in row),
        *(str(line) for line in lines if f"{place.run}/".encode() in line),
        *map(str, Path("/sys/fs/cgroup").glob(f"**/{place.run.name}")),
        *(line for line in call("cat /proc/net/dev").splitlines()[2:] if not line.strip().startswith("lo:")),
        *(line for line in call("iptables-save").splitlines() if line.startswith("-A") or "DOCKER" in line),
    ]


@pytest.mark.usefixtures("fetched")
def test_killed_then_up_again_then_killed_and_purged(place: EnginePaths, call: Call) -> None:
    forward = "cat /proc/sys/net/ipv4/ip_forward"
    before = call(forward)
    call("daemon.start(place)")
    assert (place.local / "lib/docker/cli-plugins/docker-buildx").exists()
    told = json.loads(call("import json; print(json.dumps(daemon.status(place)[0]))"))
    assert (told["answers"], told["store"], told["run_by"]) == (True, "containerd", "goldi")

    # An image of nothing with the host's programs, a network of its own, a published port.
    mounts = " ".join(f"-v {top}:{top}:ro" for top in ("/usr", "/lib", "/lib64") if Path(top).exists())
    call("tar -cf - -T /dev/null | docker import - nothing; docker network create nn")
    call(f"docker run --init -d --name cc -p 8080:80 --network nn {mounts} nothing /usr/bin/sleep 600")

    kill_engine(place)
    # By now somebody else's process may have the dead ones' numbers.
    for file in ("docker.pid", "exec/containerd/containerd.pid"):
        (place.run / file).write_text(str(os.getpid()), encoding="utf-8")
    begin = time.monotonic()
    call("daemon.start(place)")
    assert time.monotonic() - begin < 10
    assert call("docker ps --all --quiet --filter status=exited").strip()

    # What a killed engine leaves running is purged too.
    call("docker start cc")
    kill_engine(place)
    assert "removed" in call("daemon.down(place, purge=True)")
    assert leftovers(place, call) == []
    assert call(forward) == before


@pytest.mark.usefixtures("fetched")
def test_down_keeps_the_data(place: EnginePaths, call: Call) -> None:
    call("daemon.start(place)")
    call("tar -cf - -T /dev/null | docker import - nothing")
    assert "is down" in call("daemon.down(place, purge=False)")
    assert not place.socket.exists()
    begin = time.monotonic()
    call("daemon.start(place)")
    assert time.monotonic() - begin < 10
    assert call("docker image ls --quiet nothing").strip()
    call("daemon.down(place, purge=True)")
    assert leftovers(place, call) == []


@pytest.mark.by_hand
def test_a_download_that_was_killed_is_done_afresh(place: EnginePaths, call: Call) -> None:
    place.prefix.with_name("prefix.new-killed").mkdir()
    packages.ensure(place, renew=False)
    assert {path.name for path in place.prefix.parent.iterdir()} - {"local"} == {"prefix"}
    assert (place.prefix / "usr/sbin/dockerd").exists()
    assert packages.age(place) == 0
    call("daemon.down(place, purge=True)")


def test_two_at_once_wait_for_each_other(place: EnginePaths, call: Call) -> None:
    work = "from time import *\nwith lock(place): print(monotonic()); sleep(0.5); print(monotonic())"
    with ThreadPoolExecutor() as pool:
        spans = sorted([float(word) for word in said.split()] for said in pool.map(call, [work, work]))
    assert spans[0][1] <= spans[1][0]


def test_directories_that_others_could_change_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/opt")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for name in ("link", "open"):
        with pytest.raises(EngineFailed, match="Move it away"):
            ensure_root_directory(tmp_path / name)


def test_what_answers_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(
        "from invoke.collection import Collection\nfrom goldi_tasks.tasks import engine\nns = Collection(engine)\n",
        encoding="utf-8",
    )
    inv = Path(sys.executable).parent / "inv"
    done = subprocess.run([inv, "engine.up", "engine.status", "--json"], cwd=tmp_path, capture_output=True, check=True)
    first, rest = done.stdout.decode().split("\n", 1)
    assert first.endswith("answers: used as it is")
    assert json.loads(rest)["answers"]

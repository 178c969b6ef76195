"""How a second machine starts: cold, from a registry's cache, from an archive. `nox -s long-scaling`, as root; minutes.

Each machine is an empty engine with directories and a network of its own, the network of a container, which has a
way out. Between them there is a registry, or a file. Seconds and bytes are printed as a table.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from goldi_tasks.engine import EnginePaths
from goldi_tasks.engine.distribution import IMAGES
from tests.real import conftest
from tests.real.second_engine import Call, fetch
from tests.real.shop import registry, stored

ROUNDS = 3
PORT = 5999


def _said(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def machine(after: ExitStack) -> Iterator[Call]:
    """An empty engine with the base images, and what runs a line on it; `after` removes its files.

    Not before the others were measured: ext4 passes by what was deleted in the last minutes when it looks for a
    place for a file (fs/ext4/ialloc.c, recently_deleted): a layer of 2,000 files is unpacked in 1.9 s, not in 0.7.
    """
    container = _said("docker", "run", "--detach", "--rm", "--init", IMAGES["PYTHON_IMAGE"].name, "sleep", "infinity")
    base = Path(tempfile.mkdtemp(prefix="goldi-", dir="/tmp"))
    base.chmod(0o755)
    place = EnginePaths(base / "prefix", base / "data", base / base.name, base / "docker.sock", base / "local")
    call = Call(place, int(_said("docker", "inspect", "--format", "{{.State.Pid}}", container)))
    after.callback(shutil.rmtree, base)
    after.callback(_said, "docker", "rm", "--force", container)
    after.callback(call, "daemon.down(place, purge=True)")
    try:
        fetch(place)
        call("daemon.start(place)")
        for image in IMAGES.values():
            with subprocess.Popen(("docker", "save", image.name), stdout=subprocess.PIPE) as saved:
                there = os.environ | {"DOCKER_HOST": f"unix://{place.socket}"}
                subprocess.run(("docker", "load", "--quiet"), env=there, stdin=saved.stdout, check=True, stdout=2)
        home = {"GOLDI_CACHE_ROOT": str(base / "caches"), "XDG_STATE_HOME": str(base / "state")}
        call.env |= home | {"GOLDI_REGISTRY": f"127.0.0.1:{PORT}", "GOLDI_IMAGE": "scaling", "GITHUB_REF_NAME": "main"}
        yield call
    finally:
        call("daemon.down(place, purge=False)")


def goldi(call: Call, project: Path, words: str) -> Any:
    """What `goldi WORDS --json` says on a machine, with the bytes that came over its network meanwhile."""
    before = _received(call)
    said = call(f"cd '{project}' && '{conftest.GOLDI}' {words} --json")
    after = _received(call)
    return json.loads(said[said.index("{") :]) | {"bytes": {name: after[name] - before[name] for name in after}}


def _received(call: Call) -> dict[str, int]:
    """Bytes received by interface: eth0 leads out, lo to the registry."""
    lines = Path(f"/proc/{call.holder}/net/dev").read_text(encoding="ascii").splitlines()[2:]
    rows = {name.strip(): int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return {name: rows[name] for name in ("lo", "eth0")}


def measure(folder: Path, number: int, after: ExitStack) -> list[tuple[str, float, int, int, int]]:
    """Rows of what was done: seconds, bytes that came, steps, steps that were not run."""
    project, shelf, archive = folder / "project", folder / f"registry-{number}", folder / f"archive-{number}"
    rows: list[tuple[str, float, int, int, int]] = []

    def note(name: str, found: Any, moved: int) -> None:
        rows.append((name, found["seconds"], moved, found["steps"], found["cached"]))
        print(
            f"scaling: {name}: {found['seconds']:.1f} s, {found['cached']} of {found['steps']} cached", file=sys.stderr
        )

    with machine(after) as call, registry(shelf, port=PORT, enter=call.enter):
        call.env |= {"GOLDI_CACHE_BACKEND": "registry"}
        found = goldi(call, project, "build.prod --progress quiet")
        note("cold", found | {"seconds": found["seconds"] - found["keeping"]}, found["bytes"]["eth0"])
        rows.append(("export to the registry", found["keeping"], stored(shelf), 0, 0))
        call.env |= {"GOLDI_CACHE_BACKEND": "local"}
        goldi(call, project, "build.prod --progress quiet --keep-cache")
        seconds = _timed(call, project, f"cache.save '{archive}' --no-mounts")
        rows.append(("cache.save --no-mounts", seconds, archive.stat().st_size, 0, 0))
    with machine(after) as call, registry(shelf, port=PORT, enter=call.enter):
        call.env |= {"GOLDI_CACHE_BACKEND": "registry"}
        found = goldi(call, project, "build.prod --progress quiet")
        note("second machine, from the registry", found, found["bytes"]["lo"] + found["bytes"]["eth0"])
    with machine(after) as call:
        seconds = _timed(call, project, f"cache.restore '{archive}' --no-mounts")
        found = goldi(call, project, "build.prod --progress quiet")
        note(
            "second machine, from the archive", found | {"seconds": seconds + found["seconds"]}, archive.stat().st_size
        )
    shutil.rmtree(shelf)
    archive.unlink()
    return rows


def _timed(call: Call, project: Path, words: str) -> float:
    import time

    began = time.monotonic()
    call(f"cd '{project}' && '{conftest.GOLDI}' {words}")
    return time.monotonic() - began


def main() -> int:
    """Measure, print medians, and fail where a second machine ran a step or was not eight times as fast."""
    # Ended by a signal, what was begun is undone as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rounds = int(sys.argv[sys.argv.index("--rounds") + 1]) if "--rounds" in sys.argv else ROUNDS
    with tempfile.TemporaryDirectory(prefix="goldi-scaling-") as name, ExitStack() as after:
        folder = Path(name)
        (folder / "project").mkdir()
        conftest.copy(folder / "project")
        found = [measure(folder, number, after) for number in range(rounds)]
    table = [sorted(rows, key=lambda row: row[1])[rounds // 2] for rows in zip(*found, strict=True)]
    cold = table[0][1]
    print("| what | time | moved | steps | not run | cold is |\n|---|---|---|---|---|---|")
    for what, seconds, moved, steps, cached in table:
        ratio = f"{cold / seconds:.1f} times that" if steps and seconds != cold else ""
        print(
            f"| {what} | {seconds:.1f} s | {moved / 1e6:.0f} MB | {steps or ''} | {cached if steps else ''} | {ratio} |"
        )
    warm = [row for row in table if row[0].startswith("second")]
    return 0 if all(row[3] == row[4] for row in warm) and cold >= 8 * warm[0][1] else 1


if __name__ == "__main__":
    sys.exit(main())

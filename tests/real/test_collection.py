"""What the collector of a second engine keeps and drops: by our rules with tiny figures, and by BuildKit's own.

It runs a second after an engine's start, and at most once a minute after builds.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from goldi_tasks.engine import EnginePaths
from tests.real.second_engine import Call

pytestmark = [
    pytest.mark.real,
    pytest.mark.by_hand,
    pytest.mark.skipif(os.getuid() != 0, reason="a private engine needs root"),
]

RULES = "from goldi_tasks.engine import distribution; rules = {}; distribution.gc_policy = lambda disk: rules; "
# The first bound is 12 MB, the second 18 MB; what is in a cache mount is between.
OURS = RULES.format("distribution.gc_policy(60_000_000)")
THEIRS = RULES.format('{"enabled": True, "defaultKeepStorage": "12MB"}')
REFUSED = RULES.format('{"enabled": True, "policy": [{"keepStorage": "much"}]}')
IMAGE = """cd / && libraries=$(ldd /bin/sh /bin/head | grep -o '/[^ :]*' | grep -v '^/bin/' | sort -u)
tar -chf - bin/sh bin/head $(echo "$libraries" | sed 's|^/||') | docker import - collected"""


def records(call: Call) -> dict[str, int]:
    """How many records the build cache has, by type."""
    lines = call("docker buildx du --verbose").splitlines()
    types = [line.split()[1] for line in lines if line.startswith("Type:")]
    return {kind: types.count(kind) for kind in types}


def until(call: Call, holds: Callable[[dict[str, int]], bool]) -> dict[str, int]:
    deadline = time.monotonic() + 20
    while not holds(found := records(call)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def build(call: Call, folder: Path, name: str, mount: str = "") -> None:
    """A layer of 5 MB, and 14 MB in a cache mount if one is named."""
    cached = f"--mount=type=cache,id={mount},target=/cache" if mount else ""
    fill = "head -c 14000000 /dev/urandom >/cache/wheel; " if mount else ""
    file = folder / "Dockerfile"
    file.write_text(f"FROM collected\nRUN {cached} {fill}head -c 5000000 /dev/urandom >/{name}\n", encoding="utf-8")
    call(f"docker buildx build --quiet --tag {name} {folder} && docker rmi {name}")


@pytest.mark.usefixtures("fetched")
def test_ours_keeps_cache_mounts_and_buildkits_own_drops_them(place: EnginePaths, call: Call, tmp_path: Path) -> None:
    call(f"{OURS}daemon.start(place)")
    call(IMAGE)
    build(call, tmp_path, "first", mount="wheels")
    build(call, tmp_path, "second")
    before = records(call)
    assert before["exec.cachemount"] == 1
    call(f"daemon.stop(place); {OURS}daemon.start(place)")
    kept = until(call, lambda found: found["regular"] < before["regular"])
    assert kept["regular"] < before["regular"]
    assert kept["exec.cachemount"] == 1

    call(f"daemon.stop(place); {THEIRS}daemon.start(place)")
    lost = until(call, lambda found: "exec.cachemount" not in found)
    assert "exec.cachemount" not in lost


@pytest.mark.usefixtures("fetched")
def test_rules_that_an_engine_refuses_do_not_stop_it(place: EnginePaths, call: Call) -> None:
    said = call(f"daemon.stop(place); {REFUSED}daemon.start(place)")
    assert "the engine rejected our rules" in said
    assert "exec.cachemount" in call("docker buildx inspect")

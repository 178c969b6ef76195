"""The engine's life: up, down, and what there is."""

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.engine import Place, as_root, binfmt, distribution, lock, own, packages, uninstall
from goldi_tasks.errors import EngineFailed, GoldiError, NoDocker, NoEngine, NoPermission, NotDocker
from goldi_tasks.invocation import as_typed

_PATIENCE = 60.0


def up(place: Place) -> None:
    """Use the engine that answers, or bring one up, and say which. Raises EngineFailed, NoPermission."""
    if found := _answering():
        print(f"{found} answers: used as it is")
        return
    names = packages.of_release()
    if process.is_dry():
        print(f"would install {' '.join(names)} with apt" if names else f"would start an engine from {place.prefix}")
        return
    if as_root("up"):
        return
    begin = time.monotonic()
    with lock(place):
        start(place, names)
    system_info.forget()
    if not (found := _answering()):
        problem = f"the engine at {place.socket} is up, but `docker` does not reach it or finds no buildx and compose"
        raise EngineFailed(problem, "Unset DOCKER_HOST and DOCKER_CONTEXT and run `docker context use default`")
    print(f"{found} is up after {time.monotonic() - begin:.1f} s")


def start(place: Place, names: tuple[str, ...] = ()) -> None:
    """Packages (those `names` of the host's release, or private ones) and an engine. Raises EngineFailed."""
    running = pid(place)
    if names:
        packages.install_engine(names, answers=_ping(place))
    else:
        packages.ensure(place, renew=not running)
        uninstall.remember(place)
        packages.link(place)
    binfmt.register(place)
    # The release's packages too, where there is no systemd to start their service.
    if running or _ping(place):
        _wait(place)
    else:
        _begin(place)


def down(place: Place, *, purge: bool) -> None:
    """Stop what `up` started; with `purge` remove it too. Raises EngineFailed, NoPermission."""
    if not _is_there(place):
        print("there is no engine of ours: nothing to do")
    elif process.is_dry():
        print(f"would stop the engine{f' and remove {place.prefix} and {place.data}' if purge else ''}")
    elif not as_root("purge" if purge else "down"):
        with lock(place):
            stop(place)
            if purge:
                uninstall.wipe(place)
        print("the engine is down" + (" and all of it is removed" if purge else ""))


def find_loss(place: Place) -> str:
    """Return what `down` with `purge` destroys, as a clause; "" if there is no engine of ours."""
    whose = f"the engine of {place.data}, which `inv engine.up` made for every project of this machine"
    return as_typed(f"--purge deletes {whose}: all images, containers and data volumes") if _is_there(place) else ""


def _is_there(place: Place) -> bool:
    return any(os.path.lexists(path) for path in (place.prefix, place.data, place.run))


def stop(place: Place) -> None:
    """End the private engine, or what a killed one has left. Raises EngineFailed."""
    end = time.monotonic() + _PATIENCE
    if running := pid(place):
        os.kill(running, signal.SIGTERM)
    while pid(place) and time.monotonic() < end:
        time.sleep(0.05)
    uninstall.end_processes(place)
    uninstall.unmount(place)
    _drop_pidfiles(place)


def status(place: Place) -> tuple[dict[str, Any], GoldiError | None]:
    """What answers, in plain types, and why nothing does. `run_by` is `goldi`, `host` or None."""
    names = ("engine", "buildx", "compose")
    told = {"answers": False, **dict.fromkeys((*names, "store", "run_by")), "packages_days": packages.age(place)}
    try:
        info = system_info.engine_info()
        ours = info.get("DockerRootDir") == f"{place.data}/docker"
        told |= {"answers": True, "engine": info["ServerVersion"], "run_by": "goldi" if ours else "host"}
        docker = system_info.docker()
    except (NoDocker, NoEngine, NoPermission) as error:
        # An engine without buildx is one that answers.
        return told, None if told["answers"] else error
    numbers = zip(names, (docker.engine, docker.buildx, system_info.compose()), strict=True)
    versions = {name: ".".join(map(str, found)) or None for name, found in numbers}
    return {**told, **versions, "store": docker.store}, None


def pid(place: Place) -> int | None:
    """The private dockerd, if it runs."""
    return next(iter(uninstall.processes(("dockerd",), f"{place.run}/")), None)


def _answering() -> str:
    """The engine that answers with both plugins, as a phrase; "" if there is none. Raises NotDocker, NoPermission."""
    try:
        found = system_info.docker()
    except NotDocker:
        # One beside it would not be reached.
        raise
    except (NoDocker, NoEngine):
        return ""
    engine, buildx, compose = (".".join(map(str, part)) for part in (found.engine, found.buildx, system_info.compose()))
    return f"engine {engine} with buildx {buildx} and compose {compose}" if compose else ""


def _begin(place: Place) -> None:
    """Start dockerd with our rules of what BuildKit collects, or with its own where it takes offence at them."""
    _launch(place, distribution.collection(shutil.disk_usage(place.data).total))
    try:
        _wait(place)
    except EngineFailed:
        if pid(place):
            raise
        # Whatever it ended for: without them it says what else is wrong.
        _launch(place, distribution.DEFAULT_COLLECTION)
        _wait(place)
        print(as_typed("the engine refused our rules for its build cache and has its own: see `inv cache.doctor`"))


def _launch(place: Place, gc: Mapping[str, Any]) -> None:
    """Start dockerd so that it outlives us: in a session of its own, its output in a file."""
    uninstall.remember(place)
    own(place.run)
    _drop_pidfiles(place)
    uninstall.end_processes(place, "buildkit")
    config, log = place.run / "daemon.json", place.data / "dockerd.log"
    settings = distribution.daemon_config(str(place.data), str(place.run), str(place.socket), _mtu(), gc)
    config.write_text(json.dumps(settings, indent=2), encoding="utf-8")
    log.unlink(missing_ok=True)
    daemon = ("--startas", shutil.which("dockerd", path=place.path) or "dockerd", "--", "--config-file", str(config))
    keeper = ("start-stop-daemon", "--start", "--background", "--pidfile", str(place.run / "docker.pid"))
    process.capture(Command((*keeper, "--output", str(log), *daemon), {"PATH": place.path}))


def _drop_pidfiles(place: Place) -> None:
    """Those of a killed engine: any process under such a number, a zombie even, would keep dockerd from starting."""
    for name, file in (("dockerd", "docker.pid"), ("containerd", "exec/containerd/containerd.pid")):
        if not uninstall.processes((name,), f"{place.run}/"):
            (place.run / file).unlink(missing_ok=True)


def _wait(place: Place) -> None:
    """Until the engine answers. Raises EngineFailed with the last it said."""
    begin = time.monotonic()
    while not _ping(place):
        waited = time.monotonic() - begin
        if waited > _PATIENCE or (waited > 5 and not pid(place)):
            log = place.data / "dockerd.log"
            said = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
            raise EngineFailed(f"the engine did not start: {said[-1] if said else 'no word from it'}", f"See {log}")
        time.sleep(0.05)


def _ping(place: Place) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(5)
        try:
            line.connect(str(place.socket))
            line.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in line.recv(64)
        except OSError:
            return False


def _mtu() -> int | None:
    """The smallest of the default routes' interfaces: what containers send in larger packets gets lost."""
    routes = Path("/proc/net/route").read_text(encoding="utf-8")
    found = [
        Path(f"/sys/class/net/{name}/mtu").read_text(encoding="utf-8")
        for name in distribution.default_interfaces(routes)
    ]
    return min(map(int, found), default=None)

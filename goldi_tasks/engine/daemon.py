"""Start and stop the engine, and report its status."""

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
from goldi_tasks.engine import (
    EnginePaths,
    as_root,
    binfmt,
    distribution,
    ensure_root_directory,
    lock,
    packages,
    uninstall,
)
from goldi_tasks.errors import EngineFailed, GoldiError, NoDocker, NoEngine, NoPermission, NotDocker
from goldi_tasks.invocation import as_typed

_TIMEOUT = 60.0


def up(paths: EnginePaths) -> None:
    """Use the engine that answers, or start one, and print which. Raises EngineFailed, NoPermission."""
    if engine := _describe_engine():
        print(f"{engine} answers: used as it is")
        return
    names = packages.of_release()
    if process.is_dry():
        print(f"would install {' '.join(names)} with apt" if names else f"would start an engine from {paths.prefix}")
        return
    if as_root("up"):
        return
    started_at = time.monotonic()
    with lock(paths):
        start(paths, names)
    system_info.forget()
    if not (engine := _describe_engine()):
        problem = f"the engine at {paths.socket} is up, but `docker` does not reach it or finds no buildx and compose"
        raise EngineFailed(problem, "Unset DOCKER_HOST and DOCKER_CONTEXT and run `docker context use default`")
    print(f"{engine} is up after {time.monotonic() - started_at:.1f} s")


def start(paths: EnginePaths, names: tuple[str, ...] = ()) -> None:
    """Install packages (`names` of the host's release, or private ones) and start an engine. Raises EngineFailed."""
    running = pid(paths)
    if names:
        packages.install_engine(names, answers=_ping(paths))
    else:
        packages.ensure(paths, renew=not running)
        uninstall.remember(paths)
        packages.link(paths)
    binfmt.register(paths)
    # The release's dockerd is started here, too, if there is no systemd to start its service.
    if running or _ping(paths):
        _wait(paths)
    else:
        _start_and_wait(paths)


def down(paths: EnginePaths, *, purge: bool) -> None:
    """Stop what `up` started; with `purge` remove it too. Raises EngineFailed, NoPermission."""
    if not _exists(paths):
        print("there is no engine of ours: nothing to do")
    elif process.is_dry():
        print(f"would stop the engine{f' and remove {paths.prefix} and {paths.data}' if purge else ''}")
    elif not as_root("purge" if purge else "down"):
        with lock(paths):
            stop(paths)
            if purge:
                uninstall.wipe(paths)
        print("the engine is down" + (" and removed" if purge else ""))


def find_loss(paths: EnginePaths) -> str:
    """Return what `down` with `purge` destroys, as a clause; "" if there is no engine of ours."""
    engine = f"the engine of {paths.data}, which `inv engine.up` made for every project of this machine"
    return as_typed(f"--purge deletes {engine}: all images, containers and data volumes") if _exists(paths) else ""


def _exists(paths: EnginePaths) -> bool:
    return any(os.path.lexists(path) for path in (paths.prefix, paths.data, paths.run))


def stop(paths: EnginePaths) -> None:
    """Stop the private engine, or clean up after a killed one. Raises EngineFailed."""
    deadline = time.monotonic() + _TIMEOUT
    if running := pid(paths):
        os.kill(running, signal.SIGTERM)
    while pid(paths) and time.monotonic() < deadline:
        time.sleep(0.05)
    uninstall.end_processes(paths)
    uninstall.unmount(paths)
    _remove_pidfiles(paths)


def status(paths: EnginePaths) -> tuple[dict[str, Any], GoldiError | None]:
    """Return what answers, in plain types, and why nothing does. `run_by` is `goldi`, `host` or None."""
    names = ("engine", "buildx", "compose")
    report = {"answers": False, **dict.fromkeys((*names, "store", "run_by")), "packages_days": packages.age(paths)}
    try:
        info = system_info.engine_info()
        ours = info.get("DockerRootDir") == f"{paths.data}/docker"
        report |= {"answers": True, "engine": info["ServerVersion"], "run_by": "goldi" if ours else "host"}
        docker = system_info.docker()
    except (NoDocker, NoEngine, NoPermission) as error:
        # An engine without buildx answers, too.
        return report, None if report["answers"] else error
    versions_by_name = zip(names, (docker.engine, docker.buildx, system_info.compose()), strict=True)
    versions = {name: ".".join(map(str, number)) or None for name, number in versions_by_name}
    return {**report, **versions, "store": docker.store}, None


def pid(paths: EnginePaths) -> int | None:
    """Return the pid of the private dockerd, None if it does not run."""
    return next(iter(uninstall.processes(("dockerd",), f"{paths.run}/")), None)


def _describe_engine() -> str:
    """Return the engine that answers with both plugins, as a phrase; "" if there is none.

    Raises NotDocker, NoPermission.
    """
    try:
        docker = system_info.docker()
    except NotDocker:
        # A second engine would not be reached.
        raise
    except (NoDocker, NoEngine):
        return ""
    engine, buildx, compose = (
        ".".join(map(str, number)) for number in (docker.engine, docker.buildx, system_info.compose())
    )
    return f"engine {engine} with buildx {buildx} and compose {compose}" if compose else ""


def _start_and_wait(paths: EnginePaths) -> None:
    """Start dockerd with our garbage collection rules for BuildKit, or with its defaults if it rejects ours."""
    _launch(paths, distribution.gc_policy(shutil.disk_usage(paths.data).total))
    try:
        _wait(paths)
    except EngineFailed:
        if pid(paths):
            raise
        # Try without our rules, whatever the cause was: another error appears again.
        _launch(paths, distribution.DEFAULT_COLLECTION)
        _wait(paths)
        print(as_typed("the engine rejected our rules for its build cache and uses its own: see `inv cache.doctor`"))


def _launch(paths: EnginePaths, gc: Mapping[str, Any]) -> None:
    """Start dockerd so that it outlives us: in a session of its own, its output in a file."""
    uninstall.remember(paths)
    ensure_root_directory(paths.run)
    _remove_pidfiles(paths)
    uninstall.end_processes(paths, "buildkit")
    config, log = paths.run / "daemon.json", paths.data / "dockerd.log"
    settings = distribution.daemon_config(str(paths.data), str(paths.run), str(paths.socket), _mtu(), gc)
    config.write_text(json.dumps(settings, indent=2), encoding="utf-8")
    log.unlink(missing_ok=True)
    daemon = ("--startas", shutil.which("dockerd", path=paths.path) or "dockerd", "--", "--config-file", str(config))
    start_stop = ("start-stop-daemon", "--start", "--background", "--pidfile", str(paths.run / "docker.pid"))
    process.capture(Command((*start_stop, "--output", str(log), *daemon), {"PATH": paths.path}))


def _remove_pidfiles(paths: EnginePaths) -> None:
    """Remove the pid files of a killed engine: if another process, even a zombie, has the pid, dockerd fails."""
    for name, file in (("dockerd", "docker.pid"), ("containerd", "exec/containerd/containerd.pid")):
        if not uninstall.processes((name,), f"{paths.run}/"):
            (paths.run / file).unlink(missing_ok=True)


def _wait(paths: EnginePaths) -> None:
    """Wait until the engine answers. Raises EngineFailed with the last line of its log."""
    started_at = time.monotonic()
    while not _ping(paths):
        waited = time.monotonic() - started_at
        if waited > _TIMEOUT or (waited > 5 and not pid(paths)):
            log = paths.data / "dockerd.log"
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
            raise EngineFailed(f"the engine did not start: {lines[-1] if lines else 'no output'}", f"See {log}")
        time.sleep(0.05)


def _ping(paths: EnginePaths) -> bool:
    """Return whether an engine answers at the socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(str(paths.socket))
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(64)
        except OSError:
            return False


def _mtu() -> int | None:
    """Return the smallest MTU of the default routes' interfaces: larger packets of containers get lost."""
    routes = Path("/proc/net/route").read_text(encoding="utf-8")
    sizes = [
        Path(f"/sys/class/net/{name}/mtu").read_text(encoding="utf-8")
        for name in distribution.default_interfaces(routes)
    ]
    return min(map(int, sizes), default=None)

"""A rootless engine of Debian 13's packages, of an ordinary user who exists for as long as it runs.

Who that is, is said in files that are mounted over the machine's in a mount namespace of its own; processes have one of
their own too, and end with it.
"""

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from goldi_tasks.engine import EnginePaths, distribution, ensure_root_directory, packages
from tests.engines import cage, newest

USER, NUMBER = "baby-bear", 31415
# Numbers that nobody on the machine has: a file of theirs is somebody's in a container only.
FIRST, MANY = 700_000_000, 65536
_NEEDED = (("rootlesskit", "rootlesskit"), ("slirp4netns", "slirp4netns"), ("newuidmap", "uidmap"))
PACKAGES = replace(distribution.ENGINE, of_host=(*distribution.ENGINE.of_host, *_NEEDED))
TESTS = ("tests/engines/as_user.py",)


def run(folder: Path, arguments: Sequence[str]) -> int:
    """Run the user's tests, or pytest with `arguments`; its exit code."""
    fetched = EnginePaths(prefix=ensure_root_directory(newest.FETCHED, 0o700) / "rootless")
    packages.ensure(fetched, renew=True, package_set=PACKAGES)
    subprocess.run(("cp", "-al", fetched.prefix, folder / "prefix"), check=True)
    return cage.run(__name__, folder, arguments)


def inside(folder: Path, arguments: Sequence[str]) -> int:
    """The same in the cage."""
    home, prefix = introduce(folder), folder / "prefix"
    env = environment(home, prefix)
    subprocess.run(("chown", "-R", f"{NUMBER}:{NUMBER}", home), check=True)
    with (home / "log").open("w") as log:
        daemon = subprocess.Popen(
            as_user(str(prefix / "usr/share/docker.io/contrib/dockerd-rootless.sh")),
            env=env | {"PATH": EnginePaths(prefix=prefix).path} | libraries(prefix),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait(home / "run/docker.sock", daemon, home / "log")
        subprocess.run(as_user("docker", "load", "--quiet"), env=env, check=True)
        subprocess.run(as_user(*cage.status()), env=env, stdin=subprocess.DEVNULL, check=True)
        tests = as_user(*cage.pytest(arguments or TESTS), "-p", "no:cacheprovider")
        return subprocess.run(tests, env=env, stdin=subprocess.DEVNULL, check=False).returncode
    finally:
        daemon.terminate()
        daemon.wait()


def environment(home: Path, prefix: Path) -> dict[str, str]:
    """The user's, with the client and the plugins under `prefix`."""
    plugins = home / "config/cli-plugins"
    plugins.mkdir(parents=True)
    for plugin in (prefix / "usr/libexec/docker/cli-plugins").iterdir():
        (plugins / plugin.name).symlink_to(plugin)
    runtime = home / "run"
    own = {"HOME": str(home), "USER": USER, "TMPDIR": f"{home}/tmp", "PATH": f"{prefix}/usr/bin:{os.environ['PATH']}"}
    own |= {"XDG_RUNTIME_DIR": str(runtime), "DOCKER_HOST": f"unix://{runtime}/docker.sock"}
    own |= {"DOCKER_CONFIG": str(plugins.parent)}
    # The checkout is another user's.
    own |= {"PYTHONDONTWRITEBYTECODE": "1", "HYPOTHESIS_STORAGE_DIRECTORY": f"{home}/tmp"}
    return {**os.environ, **own}


def introduce(folder: Path) -> Path:
    """Make the user known in this mount namespace; the home, which has what a rootless engine asks for."""
    home = folder / USER
    for name in ("tmp", "run", ".config/docker"):
        (home / name).mkdir(parents=True)
    settings = {"features": {"containerd-snapshotter": True}}
    (home / ".config/docker/daemon.json").write_text(json.dumps(settings))
    users = {
        "passwd": f"{USER}:x:{NUMBER}:{NUMBER}::{home}:/bin/sh",
        "group": f"{USER}:x:{NUMBER}:",
        "subuid": f"{USER}:{FIRST}:{MANY}",
        "subgid": f"{USER}:{FIRST}:{MANY}",
    }
    for name, line in users.items():
        there = Path("/etc", name)
        there.touch()
        (folder / name).write_text(f"{there.read_text()}{line}\n")
        cage.bind(folder / name, there)
    # Elsewhere everybody may open it.
    tun = Path("/dev/net/tun")
    os.mknod(folder / "tun", stat.S_IFCHR | 0o666, tun.stat().st_rdev)
    (folder / "tun").chmod(0o666)
    cage.bind(folder / "tun", tun)
    python = Path(sys.base_prefix)
    if python.is_relative_to("/root"):
        # It is nobody's but root's.
        (folder / "python").mkdir()
        cage.bind(python, folder / "python")
        cage.mount("-t", "tmpfs", "-o", "mode=755", "root", "/root")
        python.mkdir(parents=True)
        cage.bind(folder / "python", python)
    return home


def as_user(*argv: str) -> tuple[str, ...]:
    """The same as the user, who has no rights but their own."""
    return ("setpriv", f"--reuid={NUMBER}", f"--regid={NUMBER}", "--clear-groups", "--inh-caps=-all", *argv)


def libraries(prefix: Path) -> dict[str, str]:
    """Where unpacked programs find unpacked libraries."""
    return {"LD_LIBRARY_PATH": ":".join(map(str, prefix.glob("usr/lib/*-linux-gnu*")))}


def wait(socket: Path, daemon: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until the engine listens; the test's user is told why it does not."""
    end = time.monotonic() + 60
    while not socket.exists():
        if daemon.poll() is not None or time.monotonic() > end:
            print(log.read_text(), file=sys.stderr)
            sys.exit("the rootless engine did not start")
        time.sleep(0.1)

"""Compose in the foreground, typed as it is, until all is healthy; then Ctrl-C."""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

_UP = re.compile(r"docker-compose (--profile (?:dev|prod)) up")
_EVENTS = ("--filter", "event=health_status", "--filter", "event=die")
_EVENT = '{{.Action}} {{index .Actor.Attributes "com.docker.compose.service"}}'
# What Ctrl-C ends has this code.
INTERRUPTED = 130


def stays(command: str) -> bool:
    """Return whether `command` starts a stack and stays with it."""
    return bool(_UP.fullmatch(command))


def run(command: str, cwd: Path, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run `command` until each of its services is healthy, end it by Ctrl-C, and return what it wrote."""
    # Ubuntu's packages have no command of that name.
    program = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
    profile = command.split()[1:3]
    listed = (*program, *profile, "config", "--services")
    missing = set(subprocess.run(listed, cwd=cwd, env=env, capture_output=True, text=True, check=True).stdout.split())
    stack = f"label=com.docker.compose.project={env['COMPOSE_PROJECT_NAME']}"
    heard = ("docker", "events", "--since", f"{time.time():.6f}", "--filter", stack)
    pipe = subprocess.PIPE
    with (
        subprocess.Popen((*heard, *_EVENTS, "--format", _EVENT), env=env, stdout=pipe, text=True) as events,
        subprocess.Popen(
            (*program, *profile, "up"),
            cwd=cwd,
            env=env,
            stdout=pipe,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as up,
    ):
        written: list[str] = []

        def read() -> None:
            written.extend(up.stdout or ())
            # One that has ended by itself becomes healthy no more.
            events.terminate()

        reader = threading.Thread(target=read)
        reader.start()
        for line in events.stdout or ():
            if line.startswith("health_status: healthy"):
                missing.discard(line.split()[-1])
            # One that dies is started again, and again, where compose says so.
            if not missing or line.startswith("die"):
                # As a terminal does it: to all that was started there.
                os.killpg(up.pid, signal.SIGINT)
                break
        reader.join()
        code = up.wait()
    done = code == INTERRUPTED and not missing
    return subprocess.CompletedProcess(command, 0 if done else code or 1, "".join(written), "")

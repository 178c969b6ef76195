"""What SIGTERM does to the running service."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest

TESTS = Path(__file__).parent


@pytest.fixture
def service(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """The service with one slow answer, on a port of the system's choice."""
    settings = {
        "DATABASE_URL": "sqlite://",
        "DATABASE_PASSWORD_FILE": "",
        "GOLDILOCKS_STATIC": str(tmp_path / "missing"),
        "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}",
    }
    command = [sys.executable, "-m", "uvicorn", "slow_app:app", "--port", "0"]
    with subprocess.Popen(
        command,
        env=os.environ | settings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process
        process.kill()


def line_with(words: str, output: IO[str]) -> str:
    """Read on until a line has the words in it."""
    lines = []
    for line in output:
        lines.append(line)
        if words in line:
            return line
    pytest.fail(f"it never said {words!r}, but: {''.join(lines)}")


def get(url: str) -> tuple[int, str]:
    """Return the status and the text of an answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=20) as answer:
        return answer.status, answer.read().decode()


def test_work_at_hand_is_finished_and_none_is_taken_on(
    service: "subprocess.Popen[str]",
) -> None:
    assert service.stdin
    assert service.stdout
    running = line_with("running on", service.stdout)
    found = re.search(r"http://127.0.0.1:(\d+)", running)
    assert found
    port = int(found[1])
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(get, f"http://127.0.0.1:{port}/slow")
        line_with("slow: begun", service.stdout)
        service.send_signal(signal.SIGTERM)
        line_with("Waiting for connections to close", service.stdout)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        assert not answer.done()
        service.stdin.write("go on\n")
        service.stdin.flush()
        assert answer.result() == (200, '"go on"')
    # It ends by the signal it was sent, which tini makes a success.
    assert service.wait(timeout=20) == -signal.SIGTERM

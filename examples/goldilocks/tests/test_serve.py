"""The development server: what it does while the app is broken, dies or hangs."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

# The app is a project of its own, or a directory in one.
SCRIPT = "infrastructure/docker/scripts/serve.py"
SERVE = next(file for up in Path(__file__).parents if (file := up / SCRIPT).is_file())
HELLO = """
import os

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        {startup}
        await send({{"type": "lifespan.startup.complete"}})
        await receive()
        await send({{"type": "lifespan.shutdown.complete"}})
        return
    {request}
    await send({{"type": "http.response.start", "status": 200}})
    body = f"{word} {{os.getpid()}}".encode()
    await send({{"type": "http.response.body", "body": body}})
"""

REFUSING = """
from contextlib import asynccontextmanager
from starlette.applications import Starlette

@asynccontextmanager
async def lifespan(app):
    raise OSError("no bowls")
    yield

app = Starlette(lifespan=lifespan)
"""


def hello(word: str = "hello", startup: str = "pass", request: str = "pass") -> str:
    """An app that answers with a word and the number of its process."""
    return HELLO.format(word=word, startup=startup, request=request)


@dataclass
class Served:
    """An app that is served."""

    file: Path
    port: int
    log: Path
    process: "subprocess.Popen[bytes]"

    def save(self, source: str) -> None:
        """Change the app in one step: what is read between two is another app."""
        draft = self.file.with_suffix(".draft")
        draft.write_text(source)
        draft.replace(self.file)

    def get(self) -> tuple[int, str]:
        """The status and the text that it answers, which must not take long."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def until(self, status: int, word: str, seconds: float = 10.0) -> str:
        """What it answers once it is this. One that has just died answers nothing."""
        answer = (0, "")
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            with suppress(ConnectionError):
                answer = self.get()
            if answer[0] == status and word in answer[1]:
                return answer[1]
            time.sleep(0.02)
        pytest.fail(f"{answer} is not {status} {word}; {self.log.read_text()}")

    def until_said(self, line: str, seconds: float = 10.0) -> None:
        """Wait until this is its last line."""
        ends = time.monotonic() + seconds
        while self.said()[-1:] != [line]:
            assert time.monotonic() < ends, self.log.read_text()
            time.sleep(0.02)

    def children(self) -> list[int]:
        """Its processes, with those that are dead and not waited for."""
        number = self.process.pid
        text = Path(f"/proc/{number}/task/{number}/children").read_text()
        return [int(child) for child in text.split()]

    def said(self) -> list[str]:
        """Its own lines."""
        return re.findall(r"^serve: (.*)$", self.log.read_text(), re.M)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str], Served]]:
    """Serve an app of which this is the source."""
    package = tmp_path / "bears"
    package.mkdir()
    (package / "__init__.py").touch()
    started = []

    def start(source: str) -> Served:
        file, log = package / "app.py", tmp_path / "log"
        file.write_text(source)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, str(SERVE), "bears.app:app", str(port)]
        secret = {"BEARS_TOKEN": "porridge-too-hot", "PYTHONDONTWRITEBYTECODE": "1"}
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=tmp_path,
                env=os.environ | secret,
                stdout=output,
                stderr=output,
            )
        started.append(Served(file, port, log, process))
        ends = time.monotonic() + 10
        while time.monotonic() < ends:
            with (
                suppress(ConnectionRefusedError),
                socket.create_connection(("127.0.0.1", port)),
            ):
                return started[0]
            time.sleep(0.02)
        pytest.fail(log.read_text())

    yield start
    for one in started:
        one.process.terminate()
        assert one.process.wait(10) == 0, one.log.read_text()


def test_a_server_that_is_killed_is_started_again(
    serve: Callable[[str], Served],
) -> None:
    served = serve(hello())
    first = served.until(200, "hello").split()[1]
    os.kill(int(first), signal.SIGKILL)
    ends = time.monotonic() + 10
    while f"{first} " in f"{served.until(200, 'hello')} ":
        assert time.monotonic() < ends
    assert int(first) not in served.children()
    assert served.said() == ["bears.app:app was killed by SIGKILL and is started again"]


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("def (:\n", "SyntaxError: invalid syntax (bears/app.py, line 1)"),
        (
            "import nothing_here\n",
            "ModuleNotFoundError: No module named 'nothing_here'"
            " (bears/app.py, line 1)",
        ),
        (
            "import os\n\nraise ValueError(os.environ['BEARS_TOKEN'])\n",
            "ValueError: *** (bears/app.py, line 3)",
        ),
        (
            "raise SystemExit('no porridge')\n",
            "SystemExit: no porridge (bears/app.py, line 1)",
        ),
        (REFUSING, "OSError: no bowls (bears/app.py, line 7)"),
    ],
)
def test_a_broken_app_is_answered_for_until_it_is_mended(
    serve: Callable[[str], Served], source: str, error: str
) -> None:
    served = serve(source)
    page = served.until(500, error)
    assert page.splitlines()[0] == error
    assert 'bears/app.py", line ' in page
    assert "porridge-too-hot" not in page
    assert served.said()[-1] == f"error: {error}"
    served.save(hello("mended"))
    served.until(200, "mended")
    assert served.said()[-1] == "bears/app.py changed"
    served.save(source)
    served.until_said(f"error: {error}")
    served.until(500, error)


def test_one_that_dies_again_and_again_rests(serve: Callable[[str], Served]) -> None:
    served = serve(hello())
    served.until(200, "hello")
    served.save(hello(startup="os._exit(7)"))
    error = "bears.app:app ended with exit code 7, soon after its start"
    served.until(500, error)
    assert served.said()[1:] == [
        "bears.app:app ended with exit code 7 and is started again",
        f"error: {error}",
    ]
    # It is tried again later, and there is no moment without an answer.
    ends = time.monotonic() + 10
    while served.said().count(f"error: {error}") < 2:
        assert time.monotonic() < ends
        assert served.until(500, error) == f"{error}\n\n{error}\n"
    assert served.said().count("bears.app:app is started again") == 1
    served.save(hello("mended"))
    served.until(200, "mended")


def test_one_that_hangs_makes_way(serve: Callable[[str], Served]) -> None:
    served = serve(hello(request="import time; time.sleep(600)"))
    while not (first := served.children()):
        time.sleep(0.02)
    with socket.create_connection(("127.0.0.1", served.port)) as hung:
        hung.sendall(b"GET / HTTP/1.0\r\n\r\n")
        served.save(hello("mended"))
        served.until(200, "mended")
        ends = time.monotonic() + 10
        while first[0] in served.children():
            assert time.monotonic() < ends
            time.sleep(0.02)

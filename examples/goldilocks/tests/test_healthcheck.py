"""The container's health check."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from goldilocks.healthcheck import is_healthy


@contextmanager
def server_answering(status: int) -> Iterator[str]:
    """Run a server that answers all with this status; yield its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()
            self.wfile.write(b"no porridge\nand more\n")

        def log_message(self, format: str, *args: object) -> None:
            """Be quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield str(server.server_port)
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "said"),
    [(200, ""), (503, "unhealthy: HTTP Error 503: Service Unavailable: no porridge\n")],
)
def test_status(
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # it must not be asked
    with server_answering(status) as port:
        assert is_healthy(port) is (not said)
    assert capsys.readouterr().err == said


def test_exit_codes() -> None:
    command = [sys.executable, "-m", "goldilocks.healthcheck"]
    with server_answering(200) as port:
        environment = os.environ | {"PORT": port}
        assert subprocess.run(command, env=environment).returncode == 0
    down = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert down.returncode == 1
    assert down.stderr.startswith("unhealthy: ")


def test_it_imports_nothing_heavy() -> None:
    code = "import sys, goldilocks.healthcheck; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert {"fastapi", "pydantic", "sqlalchemy"}.isdisjoint(output.split())

"""The browser that other tests look at pages with."""

import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.real import chromium
from tests.real.browser import browser

pytestmark = pytest.mark.real

PAGE = b"""<!doctype html><title>Bears</title><h1>Three bears</h1><p hidden>gone</p>
<form onsubmit="event.preventDefault(); setTimeout(() => {
  const item = document.createElement('li'); item.textContent = bowl.value;
  document.querySelector('ol').replaceChildren(item); }, 300)">
<input id=bowl value="too hot"><button>Add</button></form><ol></ol>"""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, format: str, *words: object) -> None:
        """Not on the tests' output."""


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def ours(folder: Path) -> list[str]:
    """The processes that bear a directory in their arguments or in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in told:
            found.append(process.name)
    return found


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory for temporary files, with nothing in it; its path is short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="g-") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_a_page_is_read_filled_and_seen_and_nothing_is_left(
    address: str, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # must not be asked
    with browser(tmp_path) as page:
        page.open(address)
        assert page.text("h1") == "Three bears"
        page.fill("#bowl", "just right")
        page.click("button")
        page.wait_text("ol", "just right", 5)
        page.wait(lambda: page.text("li") == "just right")
        page.screenshot(tmp_path / "page.png")
        assert any(temporary.glob("goldi-chromium-*/*")), "Chromium writes there"
        assert len(ours(tmp_path)) > 2, "the driver, the browser and what it starts"
    picture = (tmp_path / "page.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 3000, "a page of one colour is smaller"
    assert ours(tmp_path) == []
    assert [path.name for path in temporary.iterdir()] == ["goldi-test-apt.lock"]


def test_what_is_not_on_the_page_is_told_with_what_is(address: str, tmp_path: Path) -> None:
    with browser(tmp_path) as page:
        page.open(address)
        with pytest.raises(AssertionError, match=r"(?s)no 'Four' in h1 after 0.2 s.*Three bears"):
            page.wait_text("h1", "Four", 0.2)
        with pytest.raises(AssertionError, match=r"(?s)still not so after 0.2 s.*Three bears"):
            page.wait(lambda: page.text("h2"), 0.2)
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            with pytest.raises(AssertionError, match="ERR_CONNECTION_REFUSED"):
                page.open(f"http://127.0.0.1:{deaf.getsockname()[1]}/")


def test_a_test_that_fails_leaves_no_browser(tmp_path: Path) -> None:
    def fail() -> None:
        with browser(tmp_path) as page:
            page.open("about:blank")
            raise RuntimeError("too hot")

    with pytest.raises(RuntimeError, match="too hot"):
        fail()
    assert ours(tmp_path) == []


def test_without_a_browser_and_the_right_to_install_one_a_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("env", "sudo"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'E: not for you' >&2\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        chromium.NoBrowser, match=r"^this test needs chromium and .*apt-get update` failed: E: not for you$"
    ):
        chromium.installed()
    monkeypatch.setenv("PATH", str(tmp_path / "missing"))
    with pytest.raises(chromium.NoBrowser, match=r"failed: there is no (env|sudo)$"):
        chromium.installed()

"""Run a command that writes rawjson, and show its progress on standard error: live, as lines, raw or not at all."""

import base64
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from goldi_tasks import process
from goldi_tasks.bake.progress import step_failure
from goldi_tasks.bake.progress.events import Decoder, Event, Said
from goldi_tasks.bake.progress.plain_lines import Brief, Lines
from goldi_tasks.bake.progress.running_build import Build
from goldi_tasks.command import Command, mask
from goldi_tasks.errors import CommandFailed, UnknownName, did_you_mean

_DATA = re.compile(r'("data": ?")([A-Za-z0-9+/=]+)')
# What is no news. A target's first build has no cache yet, of which buildx warns twice. And steps that export the same
# layer wait for each other, of which BuildKit 0.31 speaks as of an error, in builds that go well.
_NOISE = re.compile(
    r"WARNING: local cache import at .*: no such file or directory"
    r"|ERROR: .*code = Unavailable desc = ref \S+ locked for .*unavailable"
)
MODES = ("auto", "brief", "plain", "quiet", "rawjson", "tty")


class View(Protocol):
    """What shows a build."""

    def show(self, event: Event, output: list[str]) -> None:
        """Show an event that the build has taken in, and the lines of output that are whole with it."""

    def say(self, line: str) -> None:
        """Show a line of buildx's own."""

    def tick(self) -> None:
        """Some time went by."""


class Silent:
    """Shows what buildx says outside of its events: mistakes."""

    def show(self, event: Event, output: list[str]) -> None:
        """Show nothing."""

    def say(self, line: str) -> None:
        """Show a line of buildx's own."""
        _write(line)

    def tick(self) -> None:
        """Show nothing."""


class Raw(Silent):
    """Shows nothing, since buildx's output is passed on as it is."""

    def say(self, line: str) -> None:
        """Show nothing."""


def choose(wanted: str, environ: Mapping[str, str] = os.environ) -> str:
    """The mode for `wanted`: `auto` is BUILDKIT_PROGRESS, as for buildx, else live on a terminal and `brief` elsewhere.

    Raises UnknownName.
    """
    if wanted not in MODES:
        raise UnknownName(f"no kind of progress '{wanted}'", did_you_mean(wanted, MODES).capitalize())
    usual = environ.get("BUILDKIT_PROGRESS", "auto")
    if wanted == "auto" and usual in MODES:
        wanted = usual
    if wanted != "auto":
        return wanted
    redraws = sys.stderr.isatty() and environ.get("TERM", "dumb") not in ("dumb", "unknown", "")
    return "tty" if redraws else "brief"


def follow(
    command: Command,
    cwd: Path,
    mode: str,
    build: Build,
    *,
    title: str,
    dockerfile: Path,
    patience: float | None = None,
) -> None:
    """Run `command` in `cwd`, show it in a `mode` that `choose` gave, and keep what is heard in `build`.

    Failures are looked for in `dockerfile` where buildx does not say their place. Raises CommandFailed with
    buildx's exit code, or where nothing was heard for `patience` seconds, Interrupted.
    """
    decoder, held = Decoder(), list[str]()
    try:
        with process.stream(command, cwd=cwd) as texts, _view(mode, title, build) as view:
            heard = _within(texts, patience) if patience else texts
            for text in _passed_on(heard) if mode == "rawjson" else heard:
                _take(decoder, text, build, view, held)
            _take(decoder, None, build, view, held)
    finally:
        # Of a builder that does not start one sentence says all.
        if mode != "rawjson" and not build.boot_failure:
            text = dockerfile.read_text(encoding="utf-8", errors="replace") if dockerfile.is_file() else ""
            for line in step_failure.report(build.failures, held, text):
                _write(line)


def _within(texts: Iterator[str], patience: float) -> Iterator[str]:
    """The same `texts`. Raises CommandFailed where nothing comes for `patience` seconds."""
    last = time.monotonic()
    for text in texts:
        if text:
            last = time.monotonic()
        elif time.monotonic() - last > patience:
            raise CommandFailed(f"no output for {patience:g} s", 124)
        yield text


def _passed_on(texts: Iterator[str]) -> Iterator[str]:
    """The same `texts`, which go to standard error as they are but for passwords, line by line."""
    rest = ""
    for text in texts:
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            _write(_DATA.sub(_masked, line))
        yield text
    if rest:
        _write(rest)


def _masked(data: re.Match[str]) -> str:
    """The output of a step, which is in base64."""
    try:
        text = base64.b64decode(data[2]).decode()
    except ValueError:
        return data[0]
    return data[1] + base64.b64encode(mask(text).encode()).decode()


def _take(decoder: Decoder, text: str | None, build: Build, view: View, held: list[str]) -> None:
    """Let build and view know what `text` says; None is the end. Once a step failed buildx's lines are `held` back."""
    for event in decoder.close() if text is None else decoder.feed(text):
        if isinstance(event, Said) and _NOISE.fullmatch(event.text):
            continue
        output = build.apply(event)
        if not isinstance(event, Said):
            view.show(event, output)
        elif build.failures:
            held.append(build.said[-1])
        else:
            view.say(build.said[-1])
    view.tick()


def _view(mode: str, title: str, build: Build) -> AbstractContextManager[View]:
    if mode == "tty":
        from goldi_tasks.bake.progress import live_table

        return live_table.screen(title, build)
    if mode == "plain":
        return nullcontext(Lines(_write, build))
    if mode == "brief":
        return nullcontext(Brief(_write, build))
    return nullcontext(Raw() if mode == "rawjson" else Silent())


def _write(line: str) -> None:
    print(mask(line), file=sys.stderr, flush=True)

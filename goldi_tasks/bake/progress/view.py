"""Run a buildx command that writes rawjson, and show its progress on standard error: live, as lines, raw or none."""

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
from goldi_tasks.bake.progress.events import Decoder, Event, OutputLine
from goldi_tasks.bake.progress.plain_lines import BriefView, PlainView
from goldi_tasks.bake.progress.running_build import RunningBuild
from goldi_tasks.command import Command, mask
from goldi_tasks.errors import CommandFailed, UnknownName, did_you_mean

_LOG_DATA = re.compile(r'("data": ?")([A-Za-z0-9+/=]+)')
# Lines that are not shown. buildx warns twice that a target's first build has no cache yet. BuildKit 0.31 reports steps
# that export the same layer and wait for each other as errors, in builds that succeed.
_IGNORED = re.compile(
    r"WARNING: local cache import at .*: no such file or directory"
    r"|ERROR: .*code = Unavailable desc = ref \S+ locked for .*unavailable"
)
MODES = ("auto", "brief", "plain", "quiet", "rawjson", "tty")


class BuildView(Protocol):
    """An object that shows a build."""

    def show(self, event: Event, output: list[str]) -> None:
        """Show an event that was applied to the build, and the lines of output that it completed."""

    def say(self, line: str) -> None:
        """Show a line of buildx that is not an event."""

    def tick(self) -> None:
        """Update the display; called after every piece of output, and regularly without output."""


class QuietView:
    """A view that shows only the lines of buildx that are not events: its errors and warnings."""

    def show(self, event: Event, output: list[str]) -> None:
        """Show nothing."""

    def say(self, line: str) -> None:
        """Show a line of buildx that is not an event."""
        _print_masked(line)

    def tick(self) -> None:
        """Show nothing."""


class RawView(QuietView):
    """A view that shows nothing, since buildx's output is passed on unchanged."""

    def say(self, line: str) -> None:
        """Show nothing."""


def choose(mode: str, environ: Mapping[str, str] = os.environ) -> str:
    """Resolve `auto` to BUILDKIT_PROGRESS, as buildx does, else to `tty` on a terminal and `brief` elsewhere.

    Raises UnknownName.
    """
    if mode not in MODES:
        raise UnknownName(f"no progress mode '{mode}'", did_you_mean(mode, MODES).capitalize())
    default_mode = environ.get("BUILDKIT_PROGRESS", "auto")
    if mode == "auto" and default_mode in MODES:
        mode = default_mode
    if mode != "auto":
        return mode
    can_redraw = sys.stderr.isatty() and environ.get("TERM", "dumb") not in ("dumb", "unknown", "")
    return "tty" if can_redraw else "brief"


def run_with_progress(
    command: Command,
    cwd: Path,
    mode: str,
    build: RunningBuild,
    *,
    title: str,
    dockerfile: Path,
    patience: float | None = None,
) -> None:
    """Run `command` in `cwd`, show its progress in `mode`, and collect its events in `build`.

    Failed instructions are searched in `dockerfile` where buildx prints no excerpt. Raises Interrupted, and
    CommandFailed with buildx's exit code, or with 124 where no output came for `patience` seconds.
    """
    decoder, error_lines = Decoder(), list[str]()
    try:
        with process.stream(command, cwd=cwd) as texts, _choose_view(mode, title, build) as view:
            checked_texts = _check_patience(texts, patience) if patience else texts
            for text in _pass_through(checked_texts) if mode == "rawjson" else checked_texts:
                _apply_text(decoder, text, build, view, error_lines)
            _apply_text(decoder, None, build, view, error_lines)
    finally:
        # A builder that does not start is reported by the caller, in one sentence.
        if mode != "rawjson" and not build.boot_failure:
            text = dockerfile.read_text(encoding="utf-8", errors="replace") if dockerfile.is_file() else ""
            for line in step_failure.report(build.failures, error_lines, text):
                _print_masked(line)


def _check_patience(texts: Iterator[str], patience: float) -> Iterator[str]:
    """Yield `texts` unchanged. Raises CommandFailed if nothing comes for `patience` seconds."""
    last_output = time.monotonic()
    for text in texts:
        if text:
            last_output = time.monotonic()
        elif time.monotonic() - last_output > patience:
            raise CommandFailed(f"no output for {patience:g} s", 124)
        yield text


def _pass_through(texts: Iterator[str]) -> Iterator[str]:
    """Yield `texts` unchanged, and write their lines to standard error with passwords masked."""
    unfinished_line = ""
    for text in texts:
        *lines, unfinished_line = (unfinished_line + text).split("\n")
        for line in lines:
            _print_masked(_LOG_DATA.sub(_mask_data, line))
        yield text
    if unfinished_line:
        _print_masked(unfinished_line)


def _mask_data(match: re.Match[str]) -> str:
    """Return a `data` field of a log with passwords masked; its text is in base64."""
    try:
        text = base64.b64decode(match[2]).decode()
    except ValueError:
        return match[0]
    return match[1] + base64.b64encode(mask(text).encode()).decode()


def _apply_text(
    decoder: Decoder, text: str | None, build: RunningBuild, view: BuildView, error_lines: list[str]
) -> None:
    """Apply `text` (None at the end) to `build` and `view`; after a failed step buildx's lines go to `error_lines`."""
    for event in decoder.close() if text is None else decoder.feed(text):
        if isinstance(event, OutputLine) and _IGNORED.fullmatch(event.text):
            continue
        output = build.apply(event)
        if not isinstance(event, OutputLine):
            view.show(event, output)
        elif build.failures:
            error_lines.append(build.output[-1])
        else:
            view.say(build.output[-1])
    view.tick()


def _choose_view(mode: str, title: str, build: RunningBuild) -> AbstractContextManager[BuildView]:
    if mode == "tty":
        from goldi_tasks.bake.progress import live_table

        return live_table.show_live_table(title, build)
    if mode == "plain":
        return nullcontext(PlainView(_print_masked, build))
    if mode == "brief":
        return nullcontext(BriefView(_print_masked, build))
    return nullcontext(RawView() if mode == "rawjson" else QuietView())


def _print_masked(line: str) -> None:
    print(mask(line), file=sys.stderr, flush=True)

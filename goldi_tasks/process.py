"""The only door through which goldi_tasks starts programs (nox's `session.run` is the other).

`live` shows and returns nothing, `capture` returns text and shows nothing, and so does `ask`, within a time. `stream`
gives error output as it comes and `listen` when all of it is there, `pipe` gives what is too large to keep as a file to
read. All raise on failure, but for `attend`, which shows and returns the exit code.
"""

import codecs
import os
import select
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from goldi_tasks.command import Command, mask
from goldi_tasks.errors import CommandFailed, Interrupted

# Seconds a child gets to clean up after Ctrl-C before it is asked again, and then ended. Buildx
# needs about one to cancel its steps.
GRACE = 10.0
# The exit code of a program that took too long, as timeout(1) has it.
LATE = 124
# Seconds after which `stream` says that nothing came.
TICK = 0.1

_dry: ContextVar[bool] = ContextVar("goldi_dry", default=False)
# Not a ContextVar: threads ask the same engine.
_led: dict[str, str] = {}
_held: ContextVar[tuple[int, ...]] = ContextVar("goldi_held", default=())


@contextmanager
def dry(wanted: bool) -> Iterator[None]:
    """Inside, `live` prints commands and runs none (invoke's `--dry`); questions are still asked."""
    token = _dry.set(wanted)
    try:
        yield
    finally:
        _dry.reset(token)


def is_dry() -> bool:
    """Whether actions are only to be shown."""
    return _dry.get()


@contextmanager
def holding(handle: int) -> Iterator[None]:
    """A program that is started inside holds `handle` open too, and with it the lock on it, if we are killed."""
    token = _held.set((*_held.get(), handle))
    try:
        yield
    finally:
        _held.reset(token)


@contextmanager
def led(env: Mapping[str, str]) -> Iterator[None]:
    """Inside, in every thread, programs are started with `env` beside their own: docker is led to another engine."""
    before = dict(_led)
    _led.update(env)
    try:
        yield
    finally:
        _led.clear()
        _led.update(before)


def environment() -> dict[str, str]:
    """Return the environment that programs are started with."""
    return {**os.environ, **_led}


@contextmanager
def unbroken() -> Iterator[None]:
    """Ctrl-C waits until the block has ended, for what would be left behind half begun; then KeyboardInterrupt."""
    before, came = signal.getsignal(signal.SIGINT), list[int]()
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            raise KeyboardInterrupt


def live(command: Command, *, cwd: Path | None = None) -> None:
    """Run `command` with the caller's terminal. Raises CommandFailed with its exit code, Interrupted."""
    if is_dry():
        print(replace(command, env={**_led, **command.env}))
        return
    _expect_success(command, _wait(_start(command, cwd)))


def attend(command: Command, *ends: Callable[[], object], apart: bool = False) -> int:
    """Run `command` with the caller's terminal and return its exit code.

    On Ctrl-C `ends`, which make it end, are called in turn, a second between; a second Ctrl-C ends it at once. Raises
    Interrupted then. If `apart`, the terminal's Ctrl-C reaches us and not it.
    """
    child = _start(command, None, start_new_session=apart)
    try:
        return child.wait()
    except KeyboardInterrupt:
        with suppress(KeyboardInterrupt):
            for end in ends:
                end()
                with suppress(subprocess.TimeoutExpired):
                    child.wait(1)
                    break
        if child.poll() is None:
            _end(child)
    raise Interrupted


@contextmanager
def stream(
    command: Command,
    *,
    cwd: Path | None = None,
    quiet: bool = False,
    whole: bool = False,
    into: IO[bytes] | None = None,
) -> Iterator[Iterator[str]]:
    """Run `command` and give what it writes to standard error, as it comes; "" where nothing came for a while.

    It reads no input. If `quiet`, what it writes to standard output is lost; if `whole`, it is given too; it goes to
    the file `into` if there is one. Raises as `live` does, when the block ends. A block that is left early ends the
    program, and what it started: docker may be gone before its plugin is.
    """
    out = into or (subprocess.PIPE if whole else subprocess.DEVNULL if quiet else None)
    error_output = subprocess.STDOUT if whole else subprocess.PIPE
    child = _start(command, cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=error_output)
    source = child.stdout or child.stderr
    assert source  # noqa: S101 - asked for above; mypy cannot know
    with source as pipe:
        try:
            yield _read(pipe.fileno())
        except BaseException as error:
            _end_family(child, _drain(pipe))
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted from None
            raise
        _expect_success(command, _wait(child))


def listen(command: Command, *, cwd: Path | None = None) -> str:
    """What `command` writes to standard error, which is shown if it fails. Raises as `live` does."""
    heard: list[str] = []
    try:
        with stream(command, cwd=cwd, quiet=True) as texts:
            heard.extend(texts)
    except CommandFailed:
        print(mask("".join(heard)), file=sys.stderr, flush=True)
        raise
    return "".join(heard)


@contextmanager
def pipe(command: Command) -> Iterator[IO[bytes]]:
    """Run `command` and give what it writes to standard output as a file that is read once, from its begin.

    It reads no input. Raises as `live` does, when the block ends. A block that is left early ends the program.
    """
    child = _start(command, None, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert child.stdout  # noqa: S101 - asked for above; mypy cannot know
    with child.stdout as out:
        try:
            yield out
        except BaseException as error:
            _end(child)
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted from None
            raise
        # A reader that knows its end leaves what is after it; the program must not fail for that.
        deque(iter(lambda: out.read(65536), b""), maxlen=0)
    _expect_success(command, _wait(child))


def capture(command: Command, *, cwd: Path | None = None, stdin: str | None = None) -> str:
    """What `command` writes to standard output. Raises CommandFailed with the end of its error output."""
    try:
        done = subprocess.run(
            command.argv,
            env=_environment(command),
            cwd=cwd,
            text=True,
            encoding="utf-8",
            errors="replace",
            capture_output=True,
            check=False,
            **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
        )
    except FileNotFoundError as error:
        raise _missing(command) from error
    except KeyboardInterrupt:
        raise Interrupted from None
    if done.returncode != 0:
        said = mask(done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}")
        raise CommandFailed(f"{_name(command)}: {said}", done.returncode if done.returncode > 0 else 1)
    return done.stdout


def ask(command: Command, within: float) -> str:
    """What `command` writes to standard output, if it ends within so many seconds; else it is ended, with its plugin.

    It reads no input. Raises as `capture` does.
    """
    pipe = subprocess.PIPE
    # A session of its own, all of which can be ended: a plugin outlives a client that is killed.
    with _start(command, None, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True) as child:
        try:
            out, error_output = (part.decode("utf-8", "replace") for part in child.communicate(timeout=within))
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise CommandFailed(f"{_name(command)}: no answer within {within:g} s", LATE) from None
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted from None
            raise
    if child.returncode != 0:
        said = mask(error_output.strip() or out.strip() or f"exit code {child.returncode}")
        raise CommandFailed(f"{_name(command)}: {said}", max(child.returncode, 1))
    return out


def _start(command: Command, cwd: Path | None, **options: Any) -> "subprocess.Popen[bytes]":
    # What we printed comes before what the child prints, in a pipe too.
    sys.stdout.flush()
    started: list[subprocess.Popen[bytes]] = []
    try:
        # A child that Popen did not come to give us nobody would end: it would write on after us.
        with unbroken():
            child = subprocess.Popen(command.argv, env=_environment(command), cwd=cwd, pass_fds=_held.get(), **options)
            started.append(child)
    except FileNotFoundError as error:
        raise _missing(command) from error
    except KeyboardInterrupt:
        for child in started:
            source = child.stdout or child.stderr
            with source or nullcontext():
                _end_family(child, _drain(source))
        raise Interrupted from None
    return child


def _drain(source: IO[bytes] | None) -> threading.Thread:
    """Reads what comes until nobody is left who could write: who ends may have much to say, and must not wait."""
    texts = _read(source.fileno()) if source else ()
    drain = threading.Thread(target=lambda: deque(texts, maxlen=0), daemon=True)
    drain.start()
    return drain


def _wait(child: "subprocess.Popen[bytes]") -> int:
    """The child's exit code; on Ctrl-C the child gets time to clean up, then is ended.

    It is told even though a terminal told it already: without a terminal only we were, and buildx,
    compose and docker take a second SIGINT for the first one's echo (they give up at the third).
    """
    try:
        return child.wait()
    except KeyboardInterrupt:
        _end(child)
    raise Interrupted


def _end(child: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        child.send_signal(number)
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            child.wait(GRACE)
            break


def _end_family(child: "subprocess.Popen[bytes]", drain: threading.Thread) -> None:
    """Ends a child and what it has started; they are gone when nobody is left who could write what `drain` reads."""
    family = [child.pid, *_descendants(child.pid)]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for pid in family:
            # Until it is waited for, a child's number is its own.
            if pid != child.pid or child.returncode is None:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            child.wait(GRACE)
            drain.join(GRACE)
            if not drain.is_alive():
                break


def _descendants(pid: int) -> list[int]:
    """What a process has started, and those in turn; nothing where there is no /proc."""
    found = []
    for file in Path("/proc").glob(f"{pid}/task/*/children"):
        with suppress(OSError):
            for child in map(int, file.read_text(encoding="ascii").split()):
                found += [child, *_descendants(child)]
    return found


def _read(handle: int) -> Iterator[str]:
    """What comes from `handle`, until nobody can write to it any more."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        if not select.select([handle], [], [], TICK)[0]:
            yield ""
        elif data := os.read(handle, 65536):
            yield decoder.decode(data)
        else:
            return


def _expect_success(command: Command, code: int) -> None:
    if code != 0:
        raise CommandFailed(f"{_name(command)} ended with exit code {code}", code if code > 0 else 128 - code)


def _environment(command: Command) -> dict[str, str]:
    return {**os.environ, **_led, **command.env, **command.secrets}


def _name(command: Command) -> str:
    """`docker buildx` for a docker plugin, else the program's own name."""
    first = Path(command.argv[0]).name
    plugin = first == "docker" and len(command.argv) > 1 and not command.argv[1].startswith("-")
    return f"{first} {command.argv[1]}" if plugin else first


def _missing(command: Command) -> CommandFailed:
    return CommandFailed(f"{command.argv[0]} is not installed", 127, "Install it, or see `inv engine.up`")

"""Start programs. No other module of goldi_tasks does, except with nox's `session.run`.

`live` shows the output; `capture` returns standard output, `ask` too, with a time limit. `stream` yields error output
while it is written, `listen` returns it at the end, `pipe` gives large standard output as a file to read. All raise
CommandFailed on failure, except `attend`, which shows the output and returns the exit code.
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

# Seconds that a child gets to clean up after SIGINT, and then after SIGTERM. Buildx needs one to cancel its steps.
GRACE = 10.0
# The exit code of timeout(1) for a program that took too long.
TIMEOUT_EXIT_CODE = 124
# Seconds without output after which `stream` yields "".
TICK = 0.1

_dry: ContextVar[bool] = ContextVar("goldi_dry", default=False)
# Not a ContextVar: all threads use the same engine.
_extra_environment: dict[str, str] = {}
_inherited_handles: ContextVar[tuple[int, ...]] = ContextVar("goldi_held", default=())


@contextmanager
def dry(enabled: bool) -> Iterator[None]:
    """Let `live` print commands and run none during the block (invoke's `--dry`); all else still runs programs."""
    token = _dry.set(enabled)
    try:
        yield
    finally:
        _dry.reset(token)


def is_dry() -> bool:
    """Return whether actions are only printed."""
    return _dry.get()


@contextmanager
def inherit_handle(handle: int) -> Iterator[None]:
    """Let programs that the block starts inherit `handle`: its lock is held until they end, even if we are killed."""
    token = _inherited_handles.set((*_inherited_handles.get(), handle))
    try:
        yield
    finally:
        _inherited_handles.reset(token)


@contextmanager
def add_environment(env: Mapping[str, str]) -> Iterator[None]:
    """Add `env` to every program that is started during the block, in all threads, to select another engine."""
    previous = dict(_extra_environment)
    _extra_environment.update(env)
    try:
        yield
    finally:
        _extra_environment.clear()
        _extra_environment.update(previous)


def environment() -> dict[str, str]:
    """Return the environment that programs are started with."""
    return {**os.environ, **_extra_environment}


@contextmanager
def delay_interrupt() -> Iterator[None]:
    """Delay Ctrl-C until the block has ended, so that nothing is left half done. Raises KeyboardInterrupt then."""
    previous_handler, signals = signal.getsignal(signal.SIGINT), list[int]()
    if threading.current_thread() is not threading.main_thread() or not callable(previous_handler):
        yield
        return
    signal.signal(signal.SIGINT, lambda number, _: signals.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous_handler)
        if signals:
            raise KeyboardInterrupt


def run_in_terminal(command: Command, *, cwd: Path | None = None) -> None:
    """Run `command` with the caller's terminal. Raises CommandFailed with its exit code, and Interrupted."""
    if is_dry():
        print(replace(command, env={**_extra_environment, **command.env}))
        return
    _expect_success(command, _wait(_start(command, cwd)))


def run_interruptible(command: Command, *end_steps: Callable[[], object], apart: bool = False) -> int:
    """Run `command` with the caller's terminal and return its exit code.

    On Ctrl-C the functions `end_steps` are called one after the other, a second apart, until it has ended; a second
    Ctrl-C ends it at once. Raises Interrupted then. If `apart`, it runs in its own session, and so the terminal's
    Ctrl-C reaches only us.
    """
    child = _start(command, None, start_new_session=apart)
    try:
        return child.wait()
    except KeyboardInterrupt:
        with suppress(KeyboardInterrupt):
            for end_step in end_steps:
                end_step()
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
    """Run `command` and yield its error output while it is written; "" after TICK seconds without any.

    Its input is empty. Standard output goes to ours; with `quiet` it is discarded, with `whole` it is yielded with the
    error output, and with `into` it is written to that file. Raises as `live` does, when the block ends. An exception
    in the block ends the program and its descendants: docker may end before its plugin does.
    """
    out = into or (subprocess.PIPE if whole else subprocess.DEVNULL if quiet else None)
    error_output = subprocess.STDOUT if whole else subprocess.PIPE
    child = _start(command, cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=error_output)
    source = child.stdout or child.stderr
    assert source  # noqa: S101 - one of both is a pipe; mypy cannot know
    with source as pipe:
        try:
            yield _read(pipe.fileno())
        except BaseException as error:
            _end_family(child, _drain(pipe))
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted from None
            raise
        _expect_success(command, _wait(child))


def capture_stderr(command: Command, *, cwd: Path | None = None) -> str:
    """Return the error output of `command`, which is printed if it fails. Raises as `live` does."""
    chunks: list[str] = []
    try:
        with stream(command, cwd=cwd, quiet=True) as output:
            chunks.extend(output)
    except CommandFailed:
        print(mask("".join(chunks)), file=sys.stderr, flush=True)
        raise
    return "".join(chunks)


@contextmanager
def pipe(command: Command) -> Iterator[IO[bytes]]:
    """Run `command` and give its standard output as a file that cannot seek.

    Its input is empty. Raises as `live` does, when the block ends. An exception in the block ends the program.
    """
    child = _start(command, None, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert child.stdout  # noqa: S101 - it is a pipe; mypy cannot know
    with child.stdout as stream:
        try:
            yield stream
        except BaseException as error:
            _end(child)
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted from None
            raise
        # Discard what the block has not read, such as padding: the program would fail if it could not write it.
        deque(iter(lambda: stream.read(65536), b""), maxlen=0)
    _expect_success(command, _wait(child))


def capture(command: Command, *, cwd: Path | None = None, stdin: str | None = None) -> str:
    """Return the standard output of `command`. Raises CommandFailed with its error output."""
    try:
        completed = subprocess.run(
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
    if completed.returncode != 0:
        message = mask(completed.stderr.strip() or completed.stdout.strip() or f"exit code {completed.returncode}")
        raise CommandFailed(f"{_name(command)}: {message}", completed.returncode if completed.returncode > 0 else 1)
    return completed.stdout


def capture_within(command: Command, within: float) -> str:
    """Return the standard output of `command`, which is killed with its plugin after `within` seconds.

    Its input is empty. Raises as `capture` does, with the exit code LATE if it was killed.
    """
    pipe = subprocess.PIPE
    # In its own session, which is killed as a whole: a plugin outlives a client that is killed.
    with _start(command, None, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True) as child:
        try:
            output, error_output = (part.decode("utf-8", "replace") for part in child.communicate(timeout=within))
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise CommandFailed(f"{_name(command)}: no answer within {within:g} s", TIMEOUT_EXIT_CODE) from None
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted from None
            raise
    if child.returncode != 0:
        message = mask(error_output.strip() or output.strip() or f"exit code {child.returncode}")
        raise CommandFailed(f"{_name(command)}: {message}", max(child.returncode, 1))
    return output


def _start(command: Command, cwd: Path | None, **options: Any) -> "subprocess.Popen[bytes]":
    # Our output comes before the child's, in a pipe too.
    sys.stdout.flush()
    children: list[subprocess.Popen[bytes]] = []
    try:
        # Ctrl-C within Popen would leave a child that we cannot end.
        with delay_interrupt():
            child = subprocess.Popen(
                command.argv, env=_environment(command), cwd=cwd, pass_fds=_inherited_handles.get(), **options
            )
            children.append(child)
    except FileNotFoundError as error:
        raise _missing(command) from error
    except KeyboardInterrupt:
        for child in children:
            source = child.stdout or child.stderr
            with source or nullcontext():
                _end_family(child, _drain(source))
        raise Interrupted from None
    return child


def _drain(source: IO[bytes] | None) -> threading.Thread:
    """Read and discard output in a thread until no writer is left, so that a program that ends never blocks on it."""
    output = _read(source.fileno()) if source else ()
    drain = threading.Thread(target=lambda: deque(output, maxlen=0), daemon=True)
    drain.start()
    return drain


def _wait(child: "subprocess.Popen[bytes]") -> int:
    """Return the child's exit code; on Ctrl-C end the child. Raises Interrupted.

    It gets SIGINT from us even though a terminal sent it one already: without a terminal only we got it. Buildx,
    compose and docker treat a second SIGINT like the first one (they give up at the third).
    """
    try:
        return child.wait()
    except KeyboardInterrupt:
        _end(child)
    raise Interrupted


def _end(child: "subprocess.Popen[bytes]") -> None:
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        child.send_signal(signal_number)
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            child.wait(GRACE)
            break


def _end_family(child: "subprocess.Popen[bytes]", drain: threading.Thread) -> None:
    """End a child and its descendants: they have ended when no writer is left for the pipe that `drain` reads."""
    pids = [child.pid, *_descendants(child.pid)]
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            # The pid of a child that was waited for may belong to another process.
            if pid != child.pid or child.returncode is None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal_number)
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            child.wait(GRACE)
            drain.join(GRACE)
            if not drain.is_alive():
                break


def _descendants(pid: int) -> list[int]:
    """Return the pids of all descendants of the process `pid`; none where there is no /proc."""
    pids = []
    for file in Path("/proc").glob(f"{pid}/task/*/children"):
        with suppress(OSError):
            for child in map(int, file.read_text(encoding="ascii").split()):
                pids += [child, *_descendants(child)]
    return pids


def _read(handle: int) -> Iterator[str]:
    """Yield the text that is read from `handle` until no writer is left; "" after TICK seconds without any."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        if not select.select([handle], [], [], TICK)[0]:
            yield ""
        elif data := os.read(handle, 65536):
            yield decoder.decode(data)
        else:
            return


def _expect_success(command: Command, exit_code: int) -> None:
    if exit_code != 0:
        raise CommandFailed(
            f"{_name(command)} ended with exit code {exit_code}", exit_code if exit_code > 0 else 128 - exit_code
        )


def _environment(command: Command) -> dict[str, str]:
    return {**os.environ, **_extra_environment, **command.env, **command.secrets}


def _name(command: Command) -> str:
    """Return `docker buildx` and so on for a docker command, else the program's name."""
    program = Path(command.argv[0]).name
    is_plugin = program == "docker" and len(command.argv) > 1 and not command.argv[1].startswith("-")
    return f"{program} {command.argv[1]}" if is_plugin else program


def _missing(command: Command) -> CommandFailed:
    return CommandFailed(f"{command.argv[0]} is not installed", 127, "Install it, or see `inv engine.up`")

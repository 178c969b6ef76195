"""Run the README's test command in fresh clones and keep a record of the results, until enough in a row are green.

    python -m tests.fresh_clone                 # one run
    python -m tests.fresh_clone --runs 4 --busy # four, with a busy process on each core

Each result is a line of tests/fresh_clone.jsonl, where the next call goes on, also on another day and machine. The goal
is 8 green runs in a row, 3 of them busy; exit code 1 if a run of this call failed. The output of a failed run stays in
the temporary directory, and its path is printed.
"""

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
RESULTS = Path(__file__).with_suffix(".jsonl")
COMMAND = ("./goldi", "test")
GREEN, BUSY = 8, 3


@dataclass(frozen=True)
class Run:
    """One run: `passed` and `failures` as pytest counts and names them, `seconds` for all of it."""

    commit: str
    busy: bool
    code: int
    seconds: float
    passed: int
    failures: list[str] = field(default_factory=list)
    date: str = ""
    machine: str = ""


def load(file: Path) -> list[Run]:
    """Read the runs of earlier calls, oldest first."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [Run(**json.loads(line)) for line in lines]


def green_in_a_row(runs: Sequence[Run]) -> list[Run]:
    """Return the green runs since the last red one."""
    return list(takewhile(lambda run: run.code == 0, reversed(runs)))


def describe(runs: Sequence[Run]) -> str:
    """Say how far the runs are from the goal."""
    row = green_in_a_row(runs)
    busy = sum(run.busy for run in row)
    reached = "reached" if len(row) >= GREEN and busy >= BUSY else "not reached"
    return f"{len(row)} green runs in a row, {busy} of them busy; the goal of {GREEN} and {BUSY} is {reached}"


def read_output(text: str) -> tuple[int, list[str]]:
    """Count the tests that passed, and list those that did not, in what pytest and nox print."""
    passed = sum(int(number) for number in re.findall(r"(\d+) passed", text))
    failures = re.findall(r"^(?:FAILED|ERROR) (tests/\S+)", text, re.M)
    return passed, sorted({*failures, *re.findall(r"^nox > \* (\S+): failed", text, re.M)})


@contextmanager
def busy_cores() -> Iterator[None]:
    """Keep each core busy while the block runs."""
    spin = (sys.executable, "-c", "while True: pass")
    processes = [subprocess.Popen(spin) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run_once(folder: Path, *, busy: bool) -> tuple[Run, str]:
    """Clone what is committed into `folder` and run the test command there; returns its output too."""
    # Tests run programs of the clone as other users.
    folder.chmod(0o755)
    clone = folder / "clone"
    subprocess.run(("git", "clone", "--quiet", "--no-hardlinks", REPOSITORY, clone), check=True)
    head = ("git", "rev-parse", "--short", "HEAD")
    commit = subprocess.run(head, cwd=clone, check=True, capture_output=True, text=True).stdout.strip()
    # As in a new shell: nothing of the environment that runs this.
    ours = ("GOLDI_", "NOX_", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    env["PATH"] = ":".join(part for part in env["PATH"].split(":") if ".venv" not in part)
    began = time.monotonic()
    with (folder / "output").open("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            COMMAND, cwd=clone, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            code = process.wait()
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGINT)
            process.wait()
            raise
        seconds = round(time.monotonic() - began, 1)
        output.seek(0)
        text = output.read()
    passed, failures = read_output(text)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    machine = f"{platform.freedesktop_os_release().get('PRETTY_NAME', platform.system())}, {os.cpu_count()} cores"
    return Run(commit, busy, code, seconds, passed, failures, date, machine), text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as often as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.fresh_clone", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1, help="how many runs (default: 1)")
    parser.add_argument("--busy", action="store_true", help="with a busy process on each core")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the results are (default: %(default)s)")
    options = parser.parse_args(arguments)
    red = False
    for number in range(options.runs):
        print(f"run {number + 1} of {options.runs}", flush=True)
        with tempfile.TemporaryDirectory(prefix="goldi-fresh-clone-") as folder:
            if options.busy:
                with busy_cores():
                    run, text = run_once(Path(folder), busy=True)
            else:
                run, text = run_once(Path(folder), busy=False)
        with options.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(run)) + "\n")
        print(
            f"exit code {run.code} after {run.seconds:.0f} s: {run.passed} passed, {len(run.failures)} not", flush=True
        )
        if run.code:
            red = True
            with tempfile.NamedTemporaryFile("w", prefix="goldi-fresh-clone-", suffix=".log", delete=False) as log:
                log.write(text)
            print("\n".join([*(f"  {name}" for name in run.failures), f"its output: {log.name}"]), flush=True)
    print(describe(load(options.results)))
    return int(red)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

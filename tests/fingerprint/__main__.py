"""`python -m tests.fingerprint`."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests import forked
from tests.fingerprint import judge
from tests.fingerprint.case import Case
from tests.fingerprint.judge import FAILING, VERDICTS, Verdict

RESULTS = Path(__file__).with_name("results.jsonl")
REPOSITORY = Path(__file__).parents[2]
# So many cases are made before they are run: goldi does not trust files that are younger than two seconds.
AHEAD = 2
RUN = """\
#!/bin/sh
# Run this case again; `before` is the project before the edit, `the project` after it, `log` what was run.
cd {repository} && exec {python} -m tests.fingerprint --seed {seed} --only {number} "$@"
"""


def run(seed: int, numbers: Iterable[int], folder: Path, tell: Callable[[Verdict, Case], None]) -> Iterator[Verdict]:
    """Run the cases with these numbers in `folder`, where those that fail stay, and `tell` of each.

    One whose images differ is run a second time, and that counts.
    """
    name = f"goldi-fingerprint-{os.getpid()}"
    base, made = f"localhost/{name}:base", deque[Case]()

    def prepare(number: int, place: str = "") -> Case:
        return judge.prepare(seed, number, folder / (place or str(number)), f"{name}-{place or number}", base)

    def decide_once(case: Case) -> Verdict:
        try:
            return judge.decide(case)
        finally:
            pool.submit(judge.remove_images, case)

    def decide(case: Case) -> Verdict:
        verdict = decide_once(case)
        if verdict.word in ("STALE", "DIFFERENT"):
            # Only another program that prunes the builder makes it so by chance.
            shutil.rmtree(case.folder)
            case = prepare(case.number, f"{case.number}-again")
            again = decide_once(case)
            verdict = replace(again, before="" if again.word == verdict.word else verdict.word)
        tell(verdict, case)
        if verdict.word in FAILING or verdict.word == "ASKED":
            text = RUN.format(repository=REPOSITORY, python=sys.executable, seed=seed, number=case.number)
            (case.folder / "run.sh").write_text(text)
            (case.folder / "run.sh").chmod(0o755)
            (case.folder / "log").write_text("\n".join(case.log) + "\n", errors="surrogateescape")
        else:
            shutil.rmtree(case.folder)
        return verdict

    # Images are removed while the next case is run.
    with judge.base_image(base), ThreadPoolExecutor(1) as pool:
        try:
            for number in numbers:
                made.append(prepare(number))
                if len(made) > AHEAD:
                    yield decide(made.popleft())
            while made:
                yield decide(made.popleft())
        finally:
            for case in made:
                pool.submit(judge.remove_images, case)
                shutil.rmtree(case.folder)


def find_commit() -> str:
    """Return the commit of this repository, with a mark where it was changed."""
    argv = ("git", "-c", "safe.directory=*", "describe", "--always", "--dirty", "--exclude=*")
    return subprocess.run(argv, cwd=REPOSITORY, check=False, capture_output=True, text=True).stdout.strip()


def record(file: Path, commit: str, seed: int, first: int, verdicts: Sequence[Verdict], seconds: float) -> None:
    """Add a line to the results."""
    failing = {word: [one.number for one in verdicts if one.word == word] for word in FAILING}
    line: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "seed": seed,
        "first": first,
        "cases": len(verdicts),
        "seconds": round(seconds),
        "verdicts": judge.count(verdicts),
        "failing": {word: numbers for word, numbers in failing.items() if numbers},
        "unsteady": [one.number for one in verdicts if one.before],
        "asked": dict(Counter(one.asked for one in verdicts if one.asked)),
    }
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")


def load(file: Path) -> list[dict[str, Any]]:
    """Read the lines of earlier calls, oldest first."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def describe(lines: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Give a table of all calls, with their sum."""
    yield f"{'commit':16}{'seed':>6}{'first':>7}{'cases':>7}  verdicts"
    total = Counter[str]()
    for line in lines:
        total.update(line["verdicts"])
        yield f"{line['commit']:16}{line['seed']:>6}{line['first']:>7}{line['cases']:>7}  {_words(line['verdicts'])}"
    yield f"{'all':16}{'':13}{sum(line['cases'] for line in lines):>7}  {_words(total)}"


def _words(counted: dict[str, int]) -> str:
    return ", ".join(f"{counted[word]} {word}" for word in VERDICTS if counted.get(word))


def next_number(lines: Sequence[dict[str, Any]], seed: int) -> int:
    """Return where the cases of a seed go on that earlier calls have begun."""
    return max((line["first"] + line["cases"] for line in lines if line["seed"] == seed), default=0)


def _wait_for_interrupt() -> threading.Event:
    """Return what Ctrl-C sets: the case that is under way is ended and recorded. A second one ends all at once."""
    stop = threading.Event()

    def handle(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    # The process that forks has the same terminal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    forked.server()
    signal.signal(signal.SIGINT, handle)
    return stop


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases that the command line asks for; 1 if one of them fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.fingerprint", description=__doc__)
    parser.add_argument("--cases", type=int, default=100, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what they are made of, with their number")
    parser.add_argument("--first", type=int, help="the first one's number (default: where the results end)")
    parser.add_argument("--only", type=int, help="run this one again, and show what is run; nothing is recorded")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the results are (default: %(default)s)")
    wanted = parser.parse_args(arguments)
    lines = load(wanted.results)
    first = next_number(lines, wanted.seed) if wanted.first is None else wanted.first
    numbers = range(first, first + wanted.cases) if wanted.only is None else [wanted.only]
    folder = Path(tempfile.mkdtemp(prefix="goldi-fingerprint-"))
    verdicts: list[Verdict] = []
    began = shown = time.monotonic()

    def tell(verdict: Verdict, case: Case) -> None:
        nonlocal shown
        if wanted.only is not None:
            print("\n".join(case.log), f"kinds: {', '.join(verdict.kinds)}", sep="\n", flush=True)
        if verdict.word in FAILING or verdict.word == "ASKED":
            why = verdict.detail or verdict.asked
            print(f"{verdict.word} {verdict.number} ({why}) after {verdict.edit}: {case.folder}", flush=True)
        if time.monotonic() > shown + 10:
            shown = time.monotonic()
            print(f"{len(verdicts) + 1} of {len(numbers)}: {_words(judge.count([*verdicts, verdict]))}", flush=True)

    stop = _wait_for_interrupt()
    for verdict in run(wanted.seed, numbers, folder, tell):
        verdicts.append(verdict)
        if stop.is_set():
            print("interrupted", file=sys.stderr)
            break
    with suppress(OSError):
        folder.rmdir()
    if wanted.only is None:
        if verdicts:
            record(wanted.results, find_commit(), wanted.seed, first, verdicts, time.monotonic() - began)
        print(*describe(load(wanted.results)), sep="\n")
    return 1 if any(verdict.word in FAILING for verdict in verdicts) else 130 if stop.is_set() else 0


if __name__ == "__main__":
    sys.exit(main())

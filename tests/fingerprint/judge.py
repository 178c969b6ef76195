"""What is run of a case, and what comes of it: `goldi`, and plain `docker buildx bake` as the judge."""

import fcntl
import json
import re
import shutil
import subprocess
import tarfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from goldi_tasks.engine.distribution import IMAGES
from tests.fingerprint import edits, project
from tests.fingerprint.case import BAKE_FILE, Case, Done
from tests.real.conftest import builder

# The verdicts, worst first; each case has one.
FAILING = ("TRACEBACK", "STALE", "DIFFERENT", "FAILED-DIFFERENTLY")
VERDICTS = (*FAILING, "ASKED", "FAILED-ALIKE", "UP-TO-DATE", "BUILT")
# Seconds after which goldi trusts what stat says of a file.
_YOUNG = 2.1
_TRACEBACK = "Traceback (most recent call last)"
_FORM = "{{json .RootFS.Layers}} {{json .Config}}"


@dataclass(frozen=True)
class Verdict:
    """What came of a case: one of VERDICTS, the edit, and why goldi asked the builder where nothing had changed.

    `before` is the verdict of a first run which the second one does not confirm: the builder had lost its cache.
    """

    number: int
    word: str
    edit: str
    kinds: tuple[str, ...]
    asked: str = ""
    detail: str = ""
    folder: Path = field(default=Path())
    before: str = ""


@contextmanager
def base_image(name: str) -> Iterator[None]:
    """An image of the shell and some programs of this machine, while the block runs."""
    programs = {short: str(Path(shutil.which(short) or "").resolve()) for short in ("sh", "cat", "ls")}
    linked = subprocess.run(("ldd", *programs.values()), check=True, capture_output=True, text=True).stdout
    argv = ("docker", "import", "-", name)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as imported:
        assert imported.stdin
        with tarfile.open(fileobj=imported.stdin, mode="w|", dereference=True) as tar:
            for short, program in programs.items():
                tar.add(program, f"bin/{short}")
            for library in sorted(set(re.findall(r"(/\S+) \(0x", linked))):
                tar.add(library)
            # An empty list of users.
            tar.addfile(tarfile.TarInfo("etc/passwd"))
    try:
        yield
    finally:
        subprocess.run(("docker", "image", "rm", "--force", name), capture_output=True, check=False)


def prepare(seed: int, number: int, folder: Path, name: str, base: str) -> Case:
    """Make the case `number`; every tenth is of a check."""
    checks = number % 10 == 9
    chosen = IMAGES["PYTHON_IMAGE"].name if checks else base
    rng = Random(f"{seed}:{number}")  # noqa: S311
    case = Case(number, rng, folder, name, chosen, checks)
    case.folder.mkdir(parents=True)
    project.make(case)
    case.ready = time.monotonic() + _YOUNG
    return case


def decide(case: Case) -> Verdict:
    """Run a case; its images are there afterwards.

    Meanwhile no test prunes the builder, which would have to make other layers then.
    """
    time.sleep(max(0.0, case.ready - time.monotonic()))
    try:
        with builder(fcntl.LOCK_SH):
            verdict = _decide_check(case) if case.checks else _decide_build(case)
        case.note(f"= {verdict.word} {verdict.detail}")
        return verdict
    finally:
        if case.checks:
            case.run("goldi", "ci.tools", "--stop")


def _decide_build(case: Case) -> Verdict:
    first = _build(case)
    second = _build(case) if not first.code else first
    asked = "" if first.code or _result(second) == "up to date" else _reason(second)
    edit = _edit(case)
    third = _build(case)
    judge, images = _judge(case)
    runs = (first, second, third)
    fresh = _result(third) == "up to date"
    detail = ""
    if any(_TRACEBACK in run.out + run.err for run in runs):
        word = "TRACEBACK"
    elif fresh and judge.code:
        word, detail = "STALE", "the judge fails"
    elif bool(third.code) != bool(judge.code):
        word, detail = "FAILED-DIFFERENTLY", f"goldi {third.code}, the judge {judge.code}"
    elif third.code:
        word, detail = "FAILED-ALIKE", judge.err.strip().rpartition("\n")[2]
    elif detail := _compare(case, images):
        word = "STALE" if fresh else "DIFFERENT"
    else:
        word = "ASKED" if asked else "UP-TO-DATE" if fresh else "BUILT"
    return Verdict(case.number, word, edit, tuple(case.kinds), asked, detail, case.folder)


def _decide_check(case: Case) -> Verdict:
    """The same of a check, which prints a file of the image that it runs in."""
    case.kinds.append("check")
    runs = [_check(case), _check(case)]
    # The image of a container that runs on can be looked at also where its tag goes elsewhere.
    case.run("docker", "tag", f"{case.image}:tools", f"{case.judged}:before")
    edit = _edit(case)
    runs.append(_check(case))
    judge, _ = _judge(case)
    # The command itself may fail, in the right image too.
    shown = judge if judge.code else case.run("docker", "run", "--rm", f"{case.judged}:tools", "cat", "/shown")
    code = runs[-1].code
    detail = ""
    if any(_TRACEBACK in run.out + run.err for run in runs):
        word = "TRACEBACK"
    elif bool(code) != bool(shown.code):
        word, detail = "STALE" if judge.code else "FAILED-DIFFERENTLY", f"nox {code}, the judge {judge.code}"
    elif code:
        word, detail = "FAILED-ALIKE", judge.err.strip().rpartition("\n")[2]
    else:
        running = case.run("docker", "ps", "--filter", f"volume={case.project}", "--format", "{{.Names}}").out
        # The first one is the newest; one of before ends when it is ready to.
        newest = running.partition("\n")[0]
        image = case.run("docker", "inspect", "--format", "{{.Image}}", newest).out.strip()
        if shown.out not in runs[-1].out:
            word, detail = "STALE", "the check prints something else"
        elif detail := _compare(case, [(image, f"{case.judged}:tools")]):
            word = "STALE"
        else:
            word = "BUILT"
    return Verdict(case.number, word, edit, tuple(case.kinds), "", detail, case.folder)


def _edit(case: Case) -> str:
    shutil.copytree(case.project, case.folder / "before", symlinks=True)
    edit = edits.apply(case)
    case.note(f"= edit: {edit}")
    return edit


def _build(case: Case) -> Done:
    return case.run("goldi", "build.target", case.name, "--json", "--progress", "quiet")


def _check(case: Case) -> Done:
    return case.run("nox", "--session", "show")


def _result(done: Done) -> str:
    return str(_summary(done).get("result", ""))


def _reason(done: Done) -> str:
    return str(_summary(done).get("asked") or f"{_result(done)}, no reason given")


def _summary(done: Done) -> dict[str, Any]:
    try:
        found = json.loads(done.out)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _judge(case: Case) -> tuple[Done, list[tuple[str, str]]]:
    """Build the same by plain bake, under other tags; returns also the pairs of images that have to be equal."""
    variables = _variables(case)
    pairs = [(f"{case.image}:{target}", f"{case.judged}:{target}") for target in case.targets]
    sets = [word for target in case.targets for word in ("--set", f"{target}.tags={case.judged}:{target}")]
    argv = ("docker", "buildx", "bake", "--file", str(BAKE_FILE), "--progress", "plain", *sets, case.name)
    return case.run(*argv, env=variables), pairs


def _variables(case: Case) -> dict[str, str]:
    """Return what goldi gives to the variables of the case's bake file, as `goldi --dry` shows them."""
    return {"PYTHON_IMAGE": (case.bases or [case.base])[0], "GOLDI_APP": case.env.get("GOLDI_APP", ".")}


def _compare(case: Case, pairs: list[tuple[str, str]]) -> str:
    """Return how the images of some pairs differ, "" if they do not."""
    form = f"{_FORM} {{{{.Created}}}}" if "SOURCE_DATE_EPOCH" in case.env else _FORM
    for pair in pairs:
        done = case.run("docker", "image", "inspect", "--format", form, *pair)
        lines = done.out.splitlines()
        if done.code or len(lines) != len(pair):
            return f"no image: {done.err.strip()}"
        if lines[0] != lines[1]:
            layers = lines[0].partition("] ")[0] != lines[1].partition("] ")[0]
            return f"{pair[0]}: other {'layers' if layers else 'configuration'}"
    return ""


def remove_images(case: Case) -> None:
    """Remove the images of a case, by name; it takes the engine half a second for each."""
    names = [f"{image}:{target}" for image in (case.image, case.judged) for target in (*case.targets, "before")]
    subprocess.run(("docker", "image", "rm", "--force", *names, *case.bases), capture_output=True, check=False)


def count(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """Count the verdicts by word."""
    counted = Counter(verdict.word for verdict in verdicts)
    return {word: counted[word] for word in VERDICTS if counted[word]}

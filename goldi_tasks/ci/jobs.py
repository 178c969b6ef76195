"""Plan what a CI runs: the sessions of the noxfile, which of them run in parallel, and the matrices of its jobs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldi_tasks.command import Command
from goldi_tasks.errors import UnknownName, did_you_mean

# The sessions that run by default, if the noxfile has them.
USUAL = ("lint", "typecheck", "tests", "precommit")
# Sessions that may change files, which disturbs others; the tag `alone` marks further ones.
_CHANGING = ("format", "precommit")
ALONE = "alone"
BUILD = "build.prod"
# A keyword expression that matches every session: without one `nox --list --json` lists the default sessions only.
EVERY = "not _none_"


@dataclass(frozen=True)
class Session:
    """A session of the noxfile; `name` includes its Python and parameters, `base` does not."""

    name: str
    base: str
    python: str = ""
    tags: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Return whether it may change files."""
        return self.base in _CHANGING or ALONE in self.tags


@dataclass(frozen=True)
class Check:
    """A command that CI runs; `alone` if nothing may run in parallel, `build` if it prints a build's summary."""

    name: str
    command: Command
    alone: bool = False
    build: bool = False


def sessions(output: str) -> list[Session]:
    """Parse the output of `nox --list --json`."""
    return [
        Session(row["session"], row["name"], row.get("python") or "", tuple(row.get("tags") or ()))
        for row in json.loads(output)
    ]


def select_sessions(available: Sequence[Session], names: Sequence[str]) -> list[Session]:
    """Return the sessions with these names, without Python versions if so given; the usual ones for ().

    Raises UnknownName.
    """
    if not names:
        return [session for base in USUAL for session in available if session.base == base]
    for name in names:
        if not any(name in (session.name, session.base) for session in available):
            all_names = [session.name for session in available]
            raise UnknownName(f"the noxfile has no session '{name}'", did_you_mean(name, all_names).capitalize())
    matching = [session for name in names for session in available if name in (session.name, session.base)]
    return list(dict.fromkeys(matching))


def checks(
    selected: Iterable[Session], nox: Sequence[str], build: Command | None, environ: Mapping[str, str]
) -> list[Check]:
    """Return a check for each session, which the command `nox` runs, and one for `build` if it is given.

    On GitHub RUFF_OUTPUT_FORMAT makes ruff print annotations, unless it is set; but not in sessions that may change
    files: they run ruff a second time, as hooks do, and would print each annotation twice.
    """
    annotated = "GITHUB_ACTIONS" in environ and "RUFF_OUTPUT_FORMAT" not in environ
    session_checks = []
    for session in selected:
        env = {"RUFF_OUTPUT_FORMAT": "github"} if annotated and not session.changes else {}
        session_checks.append(Check(session.name, Command((*nox, "--session", session.name), env), session.changes))
    return session_checks + ([Check(BUILD, build, build=True)] if build else [])


def turns(all_checks: Sequence[Check]) -> list[list[Check]]:
    """Group checks into turns that run in parallel: all that only read files, then each that may change files."""
    readers = [check for check in all_checks if not check.alone]
    return [turn for turn in (readers, *([check] for check in all_checks if check.alone)) if turn]


def session_matrix(selected: Iterable[Session]) -> dict[str, list[dict[str, str]]]:
    """Return a matrix with a job for each session, in the form of GitHub's `fromJSON`."""
    return {"include": [_without_blank({"session": session.name, "python": session.python}) for session in selected]}


def target_matrix(bake_plan: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """Return a matrix with a job for each target and platform of `bake --print`; no platform means the engine's own."""
    rows = [
        {"target": name, "platform": platform}
        for name, target in bake_plan["target"].items()
        for platform in target.get("platforms") or ("",)
    ]
    return {"include": [_without_blank(row) for row in rows]}


def nox(python: Path, noxfile: Path) -> tuple[str, ...]:
    """Return the command of the nox that is installed beside `python`, with a project's noxfile."""
    return (str(python.with_name("nox")), "--noxfile", str(noxfile))


def _without_blank(row: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if value}

"""What a CI runs: which checks of the noxfile, what of it side by side, and the matrices that its jobs are made of."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldi_tasks.command import Command
from goldi_tasks.errors import UnknownName, did_you_mean

# What a project has of these is what it is checked by, unless it says something else.
USUAL = ("lint", "typecheck", "tests", "precommit")
# These may change files, under the feet of others; so may a session with the tag `alone`.
_CHANGING = ("format", "precommit")
ALONE = "alone"
BUILD = "build.prod"
# A keyword expression that holds for every session: `nox --list --json` tells of the default ones only without one.
EVERY = "not _none_"


@dataclass(frozen=True)
class Session:
    """A session of the noxfile; `name` says which Python and parameters it is for, `base` does not."""

    name: str
    base: str
    python: str = ""
    tags: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether it may change files."""
        return self.base in _CHANGING or ALONE in self.tags


@dataclass(frozen=True)
class Check:
    """One thing that CI runs; `alone` if nothing else may run meanwhile, `build` if it prints a build's summary."""

    name: str
    command: Command
    alone: bool = False
    build: bool = False


def sessions(listed: str) -> list[Session]:
    """What `nox --list --json` printed."""
    return [
        Session(row["session"], row["name"], row.get("python") or "", tuple(row.get("tags") or ()))
        for row in json.loads(listed)
    ]


def chosen(known: Sequence[Session], names: Sequence[str]) -> list[Session]:
    """The sessions with these names, or all that a name without its Python stands for; the usual ones for ().

    Raises UnknownName.
    """
    if not names:
        return [one for base in USUAL for one in known if one.base == base]
    for name in names:
        if not any(name in (one.name, one.base) for one in known):
            everything = [one.name for one in known]
            raise UnknownName(f"the noxfile has no session '{name}'", did_you_mean(name, everything).capitalize())
    found = [one for name in names for one in known if name in (one.name, one.base)]
    return list(dict.fromkeys(found))


def checks(
    found: Iterable[Session], nox: Sequence[str], build: Command | None, environ: Mapping[str, str]
) -> list[Check]:
    """A check for each session, which `nox` runs, and the `build`.

    On GitHub ruff is told to print annotations, unless it is told something else already; what runs it a second
    time, as hooks do, would print each twice.
    """
    annotated = "GITHUB_ACTIONS" in environ and "RUFF_OUTPUT_FORMAT" not in environ
    made = []
    for one in found:
        env = {"RUFF_OUTPUT_FORMAT": "github"} if annotated and not one.changes else {}
        made.append(Check(one.name, Command((*nox, "--session", one.name), env), one.changes))
    return made + ([Check(BUILD, build, build=True)] if build else [])


def turns(wanted: Sequence[Check]) -> list[list[Check]]:
    """What runs side by side, turn by turn: all that only reads, then one by one what may change files."""
    together = [check for check in wanted if not check.alone]
    return [turn for turn in (together, *([check] for check in wanted if check.alone)) if turn]


def session_matrix(found: Iterable[Session]) -> dict[str, list[dict[str, str]]]:
    """A matrix with a job for each session, as GitHub's `fromJSON` takes it."""
    return {"include": [_without_blank({"session": one.name, "python": one.python}) for one in found]}


def target_matrix(shown: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """A matrix with a job for each target and platform of what `bake --print` shows; none is the engine's own."""
    rows = [
        {"target": name, "platform": platform}
        for name, target in shown["target"].items()
        for platform in target.get("platforms") or ("",)
    ]
    return {"include": [_without_blank(row) for row in rows]}


def nox(python: Path, noxfile: Path) -> tuple[str, ...]:
    """The nox that is installed beside `python`, with a project's noxfile."""
    return (str(python.with_name("nox")), "--noxfile", str(noxfile))


def _without_blank(row: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if value}

"""The sessions that are measured, and the two noxfiles that have them; pure but for a look at pyproject.toml."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from goldi_tasks.settings import Settings

# What a session runs, one command after the other.
Sessions = Mapping[str, Sequence[Sequence[str]]]

PARTS = 8
# Reads the sources below a directory, computes for half a second, and says what came of both. Whole numbers are as fast
# in the one Python as in the other; hashes are not, they come from the system's OpenSSL.
_WORK = """\
import hashlib, pathlib, sys
folder, part = sys.argv[1:]
files = sorted(pathlib.Path(folder).rglob("*.py"))
seen = hashlib.sha256(b"".join([part.encode(), *(file.read_bytes() for file in files)])).digest()
found = pow(int.from_bytes(seen, "big"), 1 << 16000, (1 << 4096) - 17)
print("part", part, hashlib.sha256(hex(found).encode()).hexdigest())
"""
_DONE = re.compile(r"^part (\d+) ([0-9a-f]{64})$", re.MULTILINE)
# A failure of ours in a session, and what nox says of sessions.
_OURS = re.compile(r"^nox > .*?goldi: (.*)$", re.MULTILINE)
_SUMMARY = re.compile(r"Session |Running session|Ran |\* ")
# With findings a check has done its work. What is above is a failure to run.
_CODES = (0, 1)

_HEAD = """\
import os

import nox
{imports}
PROJECT = {project!r}
SESSIONS = {sessions!r}


def add(name, commands):
{inner}    def body(session):
        # Nox changes to the directory of its noxfile.
        os.chdir(PROJECT)
{work}
    nox.session(body, name=name, venv_backend="none")


os.chdir(PROJECT)
for name, commands in SESSIONS.items():
    add(name, commands)
"""


def sessions(settings: Settings) -> dict[str, list[list[str]]]:
    """Lint, typecheck, and eight that do some work; all see the project's own files and configuration."""
    app = settings.app
    parts = {f"part{n}": [["python", "-c", _WORK, app, str(n)]] for n in range(PARTS)}
    mypy = ["mypy"] if _names_files(settings.project / "pyproject.toml") else ["mypy", app]
    return {"lint": [["ruff", "check", app]], "typecheck": [mypy], **parts}


def on_host(project: Path, found: Sessions) -> str:
    """A noxfile as one writes it without us, for an environment that is on PATH."""
    lines = ("for command in commands:", f"    session.run(*command, external=True, success_codes={_CODES!r})")
    return _noxfile(project, found, "", "", lines)


def in_container(project: Path, found: Sessions) -> str:
    """A noxfile with the same sessions as `container_session` makes them."""
    imports = "\nfrom goldi_tasks.sessions import container_session\n"
    options = f"commands=commands, success_codes={_CODES!r}, default=False"
    inner = f'    checks = container_session("in-" + name, {options})\n\n'
    return _noxfile(project, found, imports, inner, ("checks(session)",))


def done(said: str) -> dict[str, str]:
    """What the parts have computed, by number."""
    return dict(_DONE.findall(said.replace("\r", "")))


def reason(said: str) -> str:
    """Of what nox or docker said of a failure the line that tells why, "" if there is none."""
    if ours := _OURS.search(said):
        return ours[1]
    lines = [line.strip() for line in said.splitlines()]
    nox = [line.removeprefix("nox > ") for line in lines if line.startswith("nox > ")]
    told = [line for line in nox if not _SUMMARY.match(line)] or [line for line in lines if line]
    return told[-1] if told else ""


def _noxfile(project: Path, found: Sessions, imports: str, inner: str, work: Sequence[str]) -> str:
    indented = "\n".join(f"        {line}" for line in work)
    told = {name: [list(command) for command in commands] for name, commands in found.items()}
    return _HEAD.format(project=str(project), sessions=told, imports=imports, inner=inner, work=indented)


def _names_files(file: Path) -> bool:
    """Whether the project's configuration says what mypy checks."""
    mypy = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("mypy", {})
    return any(key in mypy for key in ("files", "packages", "modules"))

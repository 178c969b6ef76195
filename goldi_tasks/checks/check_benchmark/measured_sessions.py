"""Define the measured sessions, write noxfiles for them, and parse their output."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from goldi_tasks.settings import Settings

# The commands of each session.
Sessions = Mapping[str, Sequence[Sequence[str]]]

PARTS = 8
# Reads the sources below a directory, computes for half a second, and prints a digest of both. Integers are equally
# fast on the host and in the container; hashes are not, since they use the system's OpenSSL.
_WORK = """\
import hashlib, pathlib, sys
folder, part = sys.argv[1:]
files = sorted(pathlib.Path(folder).rglob("*.py"))
seen = hashlib.sha256(b"".join([part.encode(), *(file.read_bytes() for file in files)])).digest()
found = pow(int.from_bytes(seen, "big"), 1 << 16000, (1 << 4096) - 17)
print("part", part, hashlib.sha256(hex(found).encode()).hexdigest())
"""
_RESULT = re.compile(r"^part (\d+) ([0-9a-f]{64})$", re.MULTILINE)
# A GoldiError in a session, and nox's lines about sessions.
_ERROR = re.compile(r"^nox > .*?goldi: (.*)$", re.MULTILINE)
_SUMMARY = re.compile(r"Session |Running session|Ran |\* ")
# Exit code 1 means findings: the check has run. Higher ones mean that it could not.
_CODES = (0, 1)

_NOXFILE = """\
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
    """Return lint, typecheck, and eight sessions that compute; all use the project's files and configuration."""
    app = settings.app
    parts = {f"part{n}": [["python", "-c", _WORK, app, str(n)]] for n in range(PARTS)}
    mypy = ["mypy"] if _names_files(settings.project / "pyproject.toml") else ["mypy", app]
    return {"lint": [["ruff", "check", app]], "typecheck": [mypy], **parts}


def on_host(project: Path, sessions: Sessions) -> str:
    """Return a noxfile without goldi_tasks, for tools that are on PATH."""
    lines = ("for command in commands:", f"    session.run(*command, external=True, success_codes={_CODES!r})")
    return _noxfile(project, sessions, "", "", lines)


def in_container(project: Path, sessions: Sessions) -> str:
    """Return a noxfile with the same sessions, made by `container_session`."""
    imports = "\nfrom goldi_tasks.sessions import container_session\n"
    options = f"commands=commands, success_codes={_CODES!r}, default=False"
    inner = f'    checks = container_session("in-" + name, {options})\n\n'
    return _noxfile(project, sessions, imports, inner, ("checks(session)",))


def parse_results(output: str) -> dict[str, str]:
    """Return the results that the parallel sessions printed, by number."""
    return dict(_RESULT.findall(output.replace("\r", "")))


def reason(output: str) -> str:
    """Return the line with the reason from the output of a failed nox or docker, "" if there is none."""
    if error := _ERROR.search(output):
        return error[1]
    lines = [line.strip() for line in output.splitlines()]
    nox = [line.removeprefix("nox > ") for line in lines if line.startswith("nox > ")]
    candidates = [line for line in nox if not _SUMMARY.match(line)] or [line for line in lines if line]
    return candidates[-1] if candidates else ""


def _noxfile(project: Path, sessions: Sessions, imports: str, inner: str, work: Sequence[str]) -> str:
    indented = "\n".join(f"        {line}" for line in work)
    session_commands = {name: [list(command) for command in commands] for name, commands in sessions.items()}
    return _NOXFILE.format(project=str(project), sessions=session_commands, imports=imports, inner=inner, work=indented)


def _names_files(file: Path) -> bool:
    """Return whether the project's configuration names the files that mypy checks."""
    mypy = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("mypy", {})
    return any(key in mypy for key in ("files", "packages", "modules"))

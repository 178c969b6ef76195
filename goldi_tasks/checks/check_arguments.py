"""The tools container of a project: how it is started, and how a check is run in it.

The scripts that run inside lie in a directory that is shared with the host, so that nothing of ours has to be
in the image but scripts/online.sh.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from goldi_tasks.client import run_arguments
from goldi_tasks.client.system_info import Host
from goldi_tasks.command import Command
from goldi_tasks.errors import SettingsError
from goldi_tasks.paths import CACHES
from goldi_tasks.settings import Settings

# Where a container has what it shares with us: one file for each check, our scripts, the names of users.
SHARED = "/run/goldi"
HOME = "/tmp/home"
LABEL = "goldi.project"
# What comes before job.sh: with this a check ends that does not see what it shares with us. The mount came up empty,
# since the engine is in a VM that does not see the host's path.
BLIND = 97
_SEEING = f'[ -e "$1" ] || exit {BLIND}; exec sh {SHARED}/job.sh "$@"'

# What a user says to a tool, or to all tools, by a variable. Those of the table send caches, and have values inside.
_PASSED = re.compile(
    r"TERM|COLORTERM|NO_COLOR|FORCE_COLOR|CLICOLOR|CLICOLOR_FORCE|COLUMNS|LINES|TZ|CI|GITHUB_ACTIONS|GITLAB_CI|SKIP"
    r"|PY_COLORS|PYTHONHASHSEED|PYTHONWARNINGS|SOURCE_DATE_EPOCH"
    r"|(PYTEST|RUFF|MYPY|PRE_COMMIT|COVERAGE|HYPOTHESIS|SHELLCHECK|HADOLINT)_\w+"
)
_KEPT_OUT = {cache.variable for cache in CACHES} | {"PYTEST_CURRENT_TEST"}
# What a noxfile's own variables arrive in; run-with-env.sh reads it.
CARRIER = "GOLDI_ENV"
# What a check that wants them is told of logins; scripts/online.sh reads it.
LOGINS = "GOLDI_BUILD_ENV"
# By the first one a check's processes are found.
_OURS = ("GOLDI_JOB", CARRIER, LOGINS)
# A shell loses variables that it could not name itself.
_NAME_OF_SHELL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WITH_ODD_NAMES = """\
import json, os, sys
os.environ.update(json.loads(os.environ.pop("GOLDI_ODD")))
os.execvp(sys.argv[1], sys.argv[1:])
"""


# Git's configuration; a key may come more than once.
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Job:
    """A command to run inside: its arguments, what of the environment it is told, and the directory it runs in.

    `file` is the name of its file in the shared directory. After Ctrl-C in a terminal it gets `grace` tenths of a
    second, all the time it wants if that is "". `secrets` is more of the environment, which is never shown.
    """

    file: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    grace: str = "6"
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Tools:
    """What a tools container is made of; where any of it differs, it is another container.

    `image` is an id. `trees` are directories that are mounted at their own paths. `user` is `uid:gid` by the
    numbers inside. `caches` tells the mounted directories apart from others that were made anew in their place.
    `shared` is the directory for SHARED, `network` a digest of what it is told of the network, `scripts` one of ours.
    """

    settings: Settings
    image: str
    user: str
    trees: tuple[Path, ...]
    caches: tuple[tuple[int, ...], ...]
    shared: Path
    network: str
    scripts: str

    @property
    def name(self) -> str:
        """The container's name."""
        chosen = replace(self.settings, warm=True, smoke_test=True, max_age=0, max_size=0)
        digest = hashlib.sha256(repr(replace(self, settings=chosen)).encode(errors="surrogateescape")).hexdigest()[:12]
        return f"goldi-{self.settings.key}-{digest}"

    @property
    def socket(self) -> str:
        """The name of the socket that its agent serves; the path of one may have 107 characters."""
        return f"{self.name[-12:]}.sock"


def start(tools: Tools, network: Path, git: Pairs) -> Command:
    """Start the container, which ends itself when nobody has used it for a while.

    `network` is the secret that scripts/online.sh reads, `git` git's configuration for it.
    """
    idle = str(max(1, round(tools.settings.idle_minutes * 60)))
    agent = ("python3", "-I", f"{SHARED}/agent.py", idle, f"{SHARED}/{tools.name}.alive", f"{SHARED}/{tools.socket}")
    head = ("docker", "run", "--detach", "--name", tools.name, "--label", f"{LABEL}={tools.settings.key}")
    return Command((*head, *_options(tools, network, git), tools.image, *agent))


def fresh(tools: Tools, host: Host, network: Path, git: Pairs, job: Job) -> Command:
    """Run `job` in a container of its own."""
    argv = ("docker", "run", *_asked(host, job), *_options(tools, network, git), tools.image, *_job(job))
    return Command(argv, job.env, job.secrets)


def inside(tools: Tools, host: Host, job: Job) -> Command:
    """Run `job` in the container that is there."""
    return Command(("docker", "exec", *_asked(host, job), tools.name, *_job(job)), job.env, job.secrets)


def end(tools: Tools, job: Job) -> Command:
    """End the processes of a check, where the engine's machine does not see that nobody holds its file any more."""
    return Command(("docker", "exec", tools.name, "sh", f"{SHARED}/guard.sh", f"{SHARED}/{job.file}", ""))


def retire(name: str) -> Command:
    """Tell a container to end once nobody uses it."""
    return Command(("docker", "kill", "--signal", "USR1", name))


def environment(environ: Mapping[str, str], host: Host) -> dict[str, str]:
    """What a check inside is told of the caller's environment, so that it behaves as it would on the host."""
    found = {name: value for name, value in environ.items() if _PASSED.fullmatch(name) and name not in _KEPT_OUT}
    if options := environ.get("PYTEST_ADDOPTS"):
        found["PYTEST_ADDOPTS"] = f"{_pytest()} {options}"
    if host.is_output_tty:
        found.setdefault("COLUMNS", str(host.columns))
        if not host.tty and "NO_COLOR" not in found:
            # The output is a terminal, the input is not: then docker gives none, and tools would show no colours.
            found = {"FORCE_COLOR": "1", "PRE_COMMIT_COLOR": "always", **found}
    if host.tty:
        # It has the size of the terminal itself, also when that changes.
        found.pop("COLUMNS", None)
        found.pop("LINES", None)
    return found


def carry(named: Mapping[str, str | None]) -> dict[str, str]:
    """Pack the variables that a noxfile names, as written; None takes one away. Raises SettingsError.

    They travel as the value of one variable, which run-with-env.sh unpacks last: so neither docker's own client nor
    the scripts between it and the check heed them, and nothing overwrites them. The directories of the image stay
    before a PATH, as nox puts those of its environments, and the cache of the table before what pytest is given.
    """
    lines, odd = list[str](), dict[str, str]()
    for name, value in named.items():
        if problem := _unfit(name, value or ""):
            raise SettingsError(problem, "Correct `env` of its container_session")
        if not _NAME_OF_SHELL.fullmatch(name):
            odd |= {} if value is None else {name: value}
        elif value is None:
            lines.append(f"unset {name}")
        else:
            before = {"PATH": '"${PATH:+$PATH:}"', "PYTEST_ADDOPTS": shlex.quote(f"{_pytest()} ")}.get(name, "")
            lines.append(f"export {name}={before}{shlex.quote(value)}")
    if odd:
        lines.append(f"export GOLDI_ODD={shlex.quote(json.dumps(odd))}")
        lines.append(f'set -- python3 -I -c {shlex.quote(_WITH_ODD_NAMES)} "$@"')
    return {CARRIER: "\n".join(lines)} if lines else {}


def _unfit(name: str, value: str) -> str:
    """What is wrong with a variable that no program can be given."""
    if name in _OURS:
        return f"the variable {name} is goldi's own"
    if not name or "=" in name:
        return f"{name!r} cannot be the name of a variable"
    try:
        if b"\0" not in (name + value).encode(errors="surrogateescape"):
            return ""
    except UnicodeEncodeError:
        pass
    return f"the variable {name!r} has a character that no environment can hold"


def _pytest() -> str:
    return next(cache.value.format(cache.mount) for cache in CACHES if cache.variable == "PYTEST_ADDOPTS")


def _options(tools: Tools, network: Path, git: Pairs) -> tuple[str, ...]:
    """Rights, user, mounts. A missing image is ours to build, not to be looked for in a registry."""
    settings = tools.settings
    config = {
        f"GIT_CONFIG_{part}_{n}": pair[i] for n, pair in enumerate(git) for i, part in enumerate(("KEY", "VALUE"))
    }
    return (
        *("--rm", "--init", "--pull", "never", "--log-driver", "none"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--user", tools.user),
        *("--env", f"HOME={HOME}", "--env", f"GIT_CONFIG_COUNT={len(git)}"),
        *(part for name, value in config.items() for part in ("--env", f"{name}={value}")),
        *(part for tree in tools.trees for part in run_arguments.bind(tree, str(tree))),
        *(part for _, source, target in run_arguments.mounts(settings) for part in run_arguments.bind(source, target)),
        *run_arguments.bind(tools.shared, SHARED),
        *(
            part
            for name in ("passwd", "group")
            for part in run_arguments.bind(tools.shared / name, f"/etc/{name}", "readonly")
        ),
        *run_arguments.secrets(settings, network),
    )


def _asked(host: Host, job: Job) -> tuple[str, ...]:
    """Variables by name only: values are the client's own environment, and stand in no argument list."""
    named = (part for name in sorted({*job.env, *job.secrets}) for part in ("--env", name))
    return (*run_arguments.terminal(host), "--workdir", str(job.cwd), *named)


def _job(job: Job) -> tuple[str, ...]:
    return ("sh", "-c", _SEEING, "job", f"{SHARED}/{job.file}", job.grace, *job.argv)

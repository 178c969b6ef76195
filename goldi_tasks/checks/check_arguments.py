"""Build the docker commands that start a project's tools container and run checks in it.

Our scripts are in a directory that is shared with the host, so that the image needs only scripts/online.sh of ours.
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

# Mount point of the directory that is shared with the host: a file for each check, our scripts, lists of users.
SHARED = "/run/goldi"
HOME = "/tmp/home"
LABEL = "goldi.project"
# The exit code of a check that does not see its file in SHARED: the mount is empty, since the engine is in a VM that
# does not see the host's path.
NOT_SHARED = 97
_JOB_COMMAND = f'[ -e "$1" ] || exit {NOT_SHARED}; exec sh {SHARED}/job.sh "$@"'

# Variables with which users configure tools. Variables of the caches' table have other values in the container.
_FORWARDED = re.compile(
    r"TERM|COLORTERM|NO_COLOR|FORCE_COLOR|CLICOLOR|CLICOLOR_FORCE|COLUMNS|LINES|TZ|CI|GITHUB_ACTIONS|GITLAB_CI|SKIP"
    r"|PY_COLORS|PYTHONHASHSEED|PYTHONWARNINGS|SOURCE_DATE_EPOCH"
    r"|(PYTEST|RUFF|MYPY|PRE_COMMIT|COVERAGE|HYPOTHESIS|SHELLCHECK|HADOLINT)_\w+"
)
_NOT_FORWARDED = {cache.variable for cache in CACHES} | {"PYTEST_CURRENT_TEST"}
# Carries the variables of a noxfile's `env`; run-with-env.sh unpacks it.
CARRIER = "GOLDI_ENV"
# Carries the network's logins to a check with `logins`; scripts/online.sh reads it.
LOGINS = "GOLDI_BUILD_ENV"
# A noxfile may not set these. The first one identifies a check's processes.
_RESERVED = ("GOLDI_JOB", CARRIER, LOGINS)
# A shell drops variables with other names, so these are set by Python.
_SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXEC_WITH_ODD_NAMES = """\
import json, os, sys
os.environ.update(json.loads(os.environ.pop("GOLDI_ODD")))
os.execvp(sys.argv[1], sys.argv[1:])
"""


# Git's configuration as keys and values; a key may occur more than once.
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Job:
    """A command to run in the container: its arguments, variables and working directory.

    `file` is the name of its file in the shared directory. After Ctrl-C in a terminal it gets `grace` tenths of a
    second to end, unlimited time if that is "". `secrets` are further variables, which are never printed.
    """

    file: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    grace: str = "6"
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class ToolsContainer:
    """The properties of a tools container; another container is used when any of them changes.

    `image` is an id. `trees` are directories that are mounted at their own paths. `user` is `uid:gid` with the
    container's ids. `caches` identifies the mounted directories, which differ after they were deleted and created
    again. `shared` is the host's directory for SHARED, `network` a digest of the network configuration, `scripts` a
    digest of our scripts.
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
        """Return the container's name."""
        settings = replace(self.settings, warm=True, smoke_test=True, max_age=0, max_size=0)
        properties = repr(replace(self, settings=settings))
        digest = hashlib.sha256(properties.encode(errors="surrogateescape")).hexdigest()[:12]
        return f"goldi-{self.settings.key}-{digest}"

    @property
    def socket(self) -> str:
        """Return the file name of its agent's socket, a short one: a socket's path is limited to 107 characters."""
        return f"{self.name[-12:]}.sock"


def start(tools: ToolsContainer, network: Path, git: Pairs) -> Command:
    """Return the command that starts the container, which ends itself when it is idle.

    `network` is the secret that scripts/online.sh reads, `git` is git's configuration in the container.
    """
    idle = str(max(1, round(tools.settings.idle_minutes * 60)))
    agent = ("python3", "-I", f"{SHARED}/agent.py", idle, f"{SHARED}/{tools.name}.alive", f"{SHARED}/{tools.socket}")
    command_head = ("docker", "run", "--detach", "--name", tools.name, "--label", f"{LABEL}={tools.settings.key}")
    return Command((*command_head, *_options(tools, network, git), tools.image, *agent))


def run_command(tools: ToolsContainer, host: Host, network: Path, git: Pairs, job: Job) -> Command:
    """Return the command that runs `job` in a new container."""
    argv = ("docker", "run", *_job_options(host, job), *_options(tools, network, git), tools.image, *_job_argv(job))
    return Command(argv, job.env, job.secrets)


def exec_command(tools: ToolsContainer, host: Host, job: Job) -> Command:
    """Return the command that runs `job` in the running container."""
    return Command(("docker", "exec", *_job_options(host, job), tools.name, *_job_argv(job)), job.env, job.secrets)


def end(tools: ToolsContainer, job: Job) -> Command:
    """Return the command that ends a check's processes where the engine, in a VM, does not see our lock on its file."""
    return Command(("docker", "exec", tools.name, "sh", f"{SHARED}/guard.sh", f"{SHARED}/{job.file}", ""))


def retire(name: str) -> Command:
    """Return the command that lets a container end after its last check."""
    return Command(("docker", "kill", "--signal", "USR1", name))


def environment(environ: Mapping[str, str], host: Host) -> dict[str, str]:
    """Return the caller's variables that a check gets, so that tools behave as on the host."""
    names = [name for name in environ if _FORWARDED.fullmatch(name) and name not in _NOT_FORWARDED]
    variables = {name: environ[name] for name in names}
    if options := environ.get("PYTEST_ADDOPTS"):
        variables["PYTEST_ADDOPTS"] = f"{_pytest_cache_option()} {options}"
    if host.is_output_tty:
        variables.setdefault("COLUMNS", str(host.columns))
        if not host.tty and "NO_COLOR" not in variables:
            # Output is a terminal, input is not: docker gives the check no terminal, and tools would print no colours.
            variables = {"FORCE_COLOR": "1", "PRE_COMMIT_COLOR": "always", **variables}
    if host.tty:
        # It has the size of the terminal itself, also when that changes.
        variables.pop("COLUMNS", None)
        variables.pop("LINES", None)
    return variables


def pack_variables(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Pack the variables of a noxfile's `env` into one variable; None removes a variable. Raises SettingsError.

    run-with-env.sh unpacks it directly before the check, so that docker's client and our scripts ignore the variables
    and cannot overwrite them. The image's PATH comes before a PATH given here, as nox does with its environments; our
    cache option comes before a PYTEST_ADDOPTS given here.
    """
    lines, unusual = list[str](), dict[str, str]()
    prefixes = {"PATH": '"${PATH:+$PATH:}"', "PYTEST_ADDOPTS": shlex.quote(f"{_pytest_cache_option()} ")}
    for name, value in variables.items():
        if problem := _find_name_problem(name, value or ""):
            raise SettingsError(problem, "Correct `env` of its container_session")
        if not _SHELL_NAME.fullmatch(name):
            unusual |= {} if value is None else {name: value}
        elif value is None:
            lines.append(f"unset {name}")
        else:
            lines.append(f"export {name}={prefixes.get(name, '')}{shlex.quote(value)}")
    if unusual:
        lines.append(f"export GOLDI_ODD={shlex.quote(json.dumps(unusual))}")
        lines.append(f'set -- python3 -I -c {shlex.quote(_EXEC_WITH_ODD_NAMES)} "$@"')
    return {CARRIER: "\n".join(lines)} if lines else {}


def _find_name_problem(name: str, value: str) -> str:
    """Return why a check cannot get this variable, "" if it can."""
    if name in _RESERVED:
        return f"the variable {name} is goldi's own"
    if not name or "=" in name:
        return f"{name!r} cannot be the name of a variable"
    try:
        if b"\0" not in (name + value).encode(errors="surrogateescape"):
            return ""
    except UnicodeEncodeError:
        pass
    return f"the variable {name!r} has a character that no environment can hold"


def _pytest_cache_option() -> str:
    return next(cache.value.format(cache.mount) for cache in CACHES if cache.variable == "PYTEST_ADDOPTS")


def _options(tools: ToolsContainer, network: Path, git: Pairs) -> tuple[str, ...]:
    """Return the options for rights, user and mounts. A missing image is never pulled: it is built here."""
    settings = tools.settings
    git_variables = {
        f"GIT_CONFIG_{part}_{n}": pair[i] for n, pair in enumerate(git) for i, part in enumerate(("KEY", "VALUE"))
    }
    return (
        *("--rm", "--init", "--pull", "never", "--log-driver", "none"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--user", tools.user),
        *("--env", f"HOME={HOME}", "--env", f"GIT_CONFIG_COUNT={len(git)}"),
        *(part for name, value in git_variables.items() for part in ("--env", f"{name}={value}")),
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


def _job_options(host: Host, job: Job) -> tuple[str, ...]:
    """Return the options for terminal, directory and variables; values are passed in the client's environment."""
    env_options = (part for name in sorted({*job.env, *job.secrets}) for part in ("--env", name))
    return (*run_arguments.terminal(host), "--workdir", str(job.cwd), *env_options)


def _job_argv(job: Job) -> tuple[str, ...]:
    return ("sh", "-c", _JOB_COMMAND, "job", f"{SHARED}/{job.file}", job.grace, *job.argv)

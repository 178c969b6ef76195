"""Checks in the tools image, in a real container that is kept warm: the sessions that a project's noxfile has."""

import json
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from goldi_tasks.engine.distribution import IMAGES
from goldi_tasks.network import python_indexes
from goldi_tasks.network.config_files import Files
from goldi_tasks.paths import project_key
from tests.contract import owners
from tests.real.conftest import GOLDI, REPOSITORY, Project, docker, remove_images

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("builder_only")]

NOX = str(Path(sys.executable).with_name("nox"))
NOXFILE = """\
from goldi_tasks.sessions import container_session

lint = container_session("lint", "ruff", "check", "goldilocks", "tests")
style = container_session("format", "ruff", "format", "goldilocks", "tests")
typecheck = container_session("typecheck", "mypy")
# Not all: the session `example` of this repository's noxfile runs every test of the example.
tests = container_session("tests", "pytest", "-q", "tests/test_app.py", "tests/test_bowls.py")
precommit = container_session("precommit", "pre-commit", "run", "--all-files")
show = container_session("show", "python", "-c", "import sys; print(sys.argv[1:])")
say = container_session("say", "sh", "-c")
two = container_session("two", commands=[["echo", "one"], ["false"], ["echo", "three"]])
named = container_session(
    "named",
    "show-it",
    env={
        "DATABASE_URL": "it's $x\\nü=",
        "PYTHONPATH": ".",
        "PATH": "bin",
        "HOME": "/nowhere",
        "DOCKER_HOST": "tcp://nowhere",
        "PIP_INDEX_URL": "http://mine",
        "odd.name": "",
    },
)
wrong = container_session("wrong", "no-such-tool")
for number in range(8):
    container_session(f"job{number}", "python", "-c", f"print('sum', sum(range({number})))", tags=["jobs"])
"""
HOOKS = """\
repos:
  - repo: local
    hooks:
      - id: own
        name: own
        language: python
        entry: python -c "import sys; sys.exit(0)"
        files: py$
"""


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The example with a noxfile, in a git repository, at a path that tries one's patience; the image is built once."""
    top = tmp_path_factory.mktemp("checks")
    path = top / "a b, ü"
    others = shutil.ignore_patterns("node_modules", "dist", ".*_cache")
    shutil.copytree(REPOSITORY / "examples/goldilocks", path, ignore=others)
    shutil.copytree(REPOSITORY / "infrastructure", path / "infrastructure", ignore=others)
    (path / "noxfile.py").write_text(NOXFILE)
    (path / ".pre-commit-config.yaml").write_text(HOOKS)
    (path / ".gitignore").write_text("__pycache__/\n")
    git(path, "init", "--quiet")
    git(path, "add", ".")
    git(path, "commit", "--quiet", "--message", "all of it")
    made = Project(path, top / "cache, ü", "goldi-test-checks")
    made.goldi("build.tools")
    yield made
    stop(made)
    remove_images("goldi-test-checks", keep=True)


@pytest.fixture(autouse=True)
def nothing_left(checked: Project) -> Iterator[None]:
    """Each test begins with no container of the project."""
    stop(checked)
    yield
    stop(checked)


def git(path: Path, *arguments: str) -> None:
    who = ("-c", "user.name=Goldi Locks", "-c", "user.email=goldi@example.invalid")
    subprocess.run(("git", *who, *arguments), cwd=path, check=True, capture_output=True)


def containers(project: Project) -> list[str]:
    label = f"label=goldi.project={project_key(project.path)}"
    return docker("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()


def processes(project: Project) -> str:
    """What runs in the container; `docker top` needs control groups, which a rootless engine may be without."""
    line = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '"
    return docker("exec", containers(project)[0], "sh", "-c", line)


def stop(project: Project) -> None:
    for name in containers(project):
        docker("rm", "--force", name)


def nox(project: Project, *arguments: str, code: int = 0, **env: str) -> str:
    return project.run(NOX, *arguments, code=code, **env)


def inside(project: Project, line: str, code: int = 0, **env: str) -> str:
    """What a shell line says in the container."""
    return nox(project, "--session", "say", "--", line, code=code, **env)


def until(true: object, seconds: float = 15.0) -> None:
    """Wait for something that happens soon."""
    end = time.monotonic() + seconds
    assert callable(true)
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_each_kind_of_session_and_what_the_second_one_finds(checked: Project, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    sessions = ("lint", "format", "typecheck", "tests", "precommit")
    first = nox(checked, "--sessions", *sessions, HOME=str(home))
    assert re.search(r"\d\d passed", first)
    assert "Installing environment" in first
    second = nox(checked, "--sessions", "tests", "precommit", "-R", HOME=str(home))
    assert "Installing environment" not in second
    assert "own" in second
    assert len(containers(checked)) == 1
    caches = checked.cache_root
    key = project_key(checked.path)
    for name, found in (
        ("mypy-cache", "3.*"),
        ("pytest-cache", "v"),
        ("ruff-cache", "*"),
        ("goldilocks-bytecode", "**/*.pyc"),
    ):
        assert list((caches / name / key).glob(found)), name
    assert list((caches / "pre-commit-cache").glob("repo*")) or (caches / "pre-commit-cache/db.db").exists()
    # Neither the project nor the home has caches of tools.
    assert not list(checked.path.rglob("*_cache*"))
    assert {path.name for path in home.iterdir()} <= {".local", ".docker"}


def test_arguments_arrive_exactly(checked: Project) -> None:
    words = ["-k", "a or b", "", "*", "$HOME", "'\"", "ü\n", "--", "-x"]
    assert repr(words) in nox(checked, "--session", "show", "--", *words)
    assert repr(words) in checked.goldi("ci.session", "show", "--", *words)


@pytest.mark.parametrize("warm", ["1", "0"])
def test_what_the_noxfile_names_arrives_as_written(checked: Project, warm: str) -> None:
    """By the agent, and by docker; and a program that only its PATH leads to."""
    (checked.path / "bin").mkdir(exist_ok=True)
    tool = checked.path / "bin/show-it"
    tool.write_text("#!/usr/bin/env python\nimport json, os\nprint(json.dumps(dict(os.environ)))\n")
    tool.chmod(0o755)
    said = nox(checked, "--session", "named", GOLDI_WARM=warm, PIP_INDEX_URL="http://host", OTHER="x")
    found = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    wanted = {
        "DATABASE_URL": "it's $x\nü=",
        "PYTHONPATH": ".",
        "HOME": "/nowhere",
        "DOCKER_HOST": "tcp://nowhere",
        "PIP_INDEX_URL": "http://mine",
        "odd.name": "",
        "NOX_CURRENT_SESSION": "named",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    assert found["PATH"].endswith("/bin:bin")
    assert "OTHER" not in found, "the caller's environment has its list"


@pytest.mark.parametrize("code", [1, 2, 5])
def test_exit_codes_pass_through(checked: Project, code: int) -> None:
    said = inside(checked, f"exit {code}", code=1)
    assert f"failed with exit code {code}" in said
    assert "Session say failed" in said


def test_the_first_failing_command_ends_a_session(checked: Project) -> None:
    said = nox(checked, "--session", "two", code=1)
    assert "one" in said
    assert "three" not in said.replace("echo three", "")


def test_one_container_for_two_terminals_at_once_and_for_parallel_sessions(checked: Project) -> None:
    running = [checked.start(NOX, "--session", "show") for _ in range(3)]
    for process in running:
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert len(containers(checked)) == 1
    stop(checked)
    said = nox(checked, "-j", "8", "-t", "jobs")
    assert [f"sum {sum(range(number))}" in said for number in range(8)] == [True] * 8
    assert len(containers(checked)) == 1


def test_it_has_no_rights_and_no_secret(checked: Project) -> None:
    said = inside(
        checked,
        "grep -E 'CapEff|NoNewPrivs' /proc/self/status; cat /run/secrets/build_env; env",
        PIP_INDEX_URL="http://me:hush-hush@127.0.0.1:1/simple",
    )
    assert re.search(r"CapEff:\s+0000000000000000", said)
    assert re.search(r"NoNewPrivs:\s+1", said)
    assert "PIP_INDEX_URL=http://127.0.0.1:1/simple" in said, "tools that download are told"
    assert "hush-hush" not in said
    found = json.loads(docker("inspect", containers(checked)[0]))[0]
    assert "hush-hush" not in json.dumps(found)
    assert found["HostConfig"]["Init"] is True


def test_it_is_replaced_when_something_changes_and_never_under_a_check(checked: Project) -> None:
    long = checked.start(NOX, "--session", "say", "--", "sleep 4; echo was not cut")
    until(lambda: containers(checked))
    before = containers(checked)
    time.sleep(1)
    inside(checked, "true", GOLDI_IDLE_MINUTES="20")
    assert len(containers(checked)) == 2
    said, _ = long.communicate(timeout=60)
    assert "was not cut" in said
    until(lambda: len(containers(checked)) == 1)
    assert containers(checked) != before


def test_caches_that_were_removed_and_made_again_are_used_again(checked: Project) -> None:
    inside(checked, "touch /cache/mypy/one")
    shutil.rmtree(checked.cache_root / "mypy-cache")
    inside(checked, "touch /cache/mypy/two")
    assert (checked.cache_root / "mypy-cache" / project_key(checked.path) / "two").exists()


def test_it_ends_itself_when_idle_and_not_under_a_check(checked: Project) -> None:
    assert "through" in inside(checked, "sleep 6; echo through", GOLDI_IDLE_MINUTES="0.02")
    until(lambda: not containers(checked))
    assert "again" in inside(checked, "echo again", GOLDI_IDLE_MINUTES="0.02")


def test_a_container_that_was_removed_costs_nothing_but_time(checked: Project) -> None:
    inside(checked, "true")
    docker("rm", "--force", *containers(checked))
    assert "here" in inside(checked, "echo here")


def test_a_container_that_is_removed_under_a_check_is_told(checked: Project) -> None:
    process = checked.start(NOX, "--session", "say", "--", "echo begun; sleep 60")
    assert process.stdout
    assert any("begun" in line and "sleep" not in line for line in process.stdout)
    docker("rm", "--force", *containers(checked))
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "goldi: the tools container ended while sh ran in it. Run it again" in said
    assert "Traceback" not in said
    assert "here" in inside(checked, "echo here")


def test_without_a_warm_one_each_check_has_its_own(checked: Project) -> None:
    assert "fresh" in inside(checked, "echo fresh", GOLDI_WARM="0")
    assert containers(checked) == []
    assert "exit code 5" in inside(checked, "exit 5", code=1, GOLDI_WARM="0")


def test_an_unknown_tool_is_one_sentence(checked: Project) -> None:
    said = nox(checked, "--session", "wrong", code=1)
    assert "goldi: the tools image has no program 'no-such-tool'. Lock it in requirements-dev.lock" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("warm", ["1", "0"])
def test_an_image_without_our_script_says_what_is_missing(checked: Project, warm: str) -> None:
    dockerfile = checked.path / "infrastructure/docker/Dockerfile"
    whole = dockerfile.read_text()
    line = "COPY --chmod=755 infrastructure/docker/scripts/online.sh /usr/local/bin/online\n"
    assert whole.count(line) == 1
    dockerfile.write_text(whole.replace(line, ""))
    try:
        said = nox(checked, "--session", "say", "--", "true", code=1, GOLDI_WARM=warm)
    finally:
        dockerfile.write_text(whole)
    assert "goldi: the tools image has no program 'online'" in said
    assert line.strip() in said
    assert "memory" not in said


def test_an_image_that_was_removed_is_built_again(checked: Project) -> None:
    inside(checked, "true")
    stop(checked)
    docker("image", "rm", "--force", f"{checked.image}:tools")
    assert "here" in inside(checked, "echo here")


def sockets(project: Project) -> list[Path]:
    """Where the agents in the project's containers listen."""
    return list((project.cache_root.parent / "state/goldi/checks" / project_key(project.path)).glob("*.sock"))


def test_without_its_agent_docker_runs_the_check(checked: Project) -> None:
    """As with an engine in a VM, through which no socket reaches."""
    inside(checked, "true")
    for place in sockets(checked):
        place.unlink()
    assert repr(["a or b", ""]) in nox(checked, "--session", "show", "--", "a or b", "")
    assert "exit code 5" in inside(checked, "exit 5", code=1)
    assert len(containers(checked)) == 1


def test_an_agent_that_gets_no_descriptors_says_so(checked: Project) -> None:
    inside(checked, "true")
    with socket.socket(socket.AF_UNIX) as agent:
        folder = os.open(sockets(checked)[0].parent, os.O_RDONLY)
        agent.connect(f"/proc/self/fd/{folder}/{sockets(checked)[0].name}")
        os.close(folder)
        agent.sendall(b'{"argv": ["true"], "env": {}, "cwd": "/"}\n')
        assert agent.recv(100) == b"blind\n"


def test_what_a_check_reads_and_writes_is_its_callers(checked: Project, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from a file\n")
    with (tmp_path / "in").open() as given, (tmp_path / "out").open("w") as out:
        argv = (NOX, "--session", "say", "--", "cat; echo to the other >&2")
        subprocess.run(argv, cwd=checked.path, env=checked.env, stdin=given, stdout=out, stderr=out, check=True)
    said = (tmp_path / "out").read_text()
    assert "from a file" in said
    assert "to the other" in said


@pytest.mark.parametrize("agent", [True, False])
@pytest.mark.parametrize("whom", ["group", "nox alone", "SIGTERM", "SIGKILL"])
def test_ctrl_c_without_a_terminal_leaves_nothing_behind(checked: Project, whom: str, agent: bool) -> None:
    inside(checked, "true")
    for place in [] if agent else sockets(checked):
        place.unlink()
    line = "trap '' TERM; setsid sleep 4711 & echo begun; sleep 4712; sleep 4713"
    process = checked.start(NOX, "--session", "say", "--", line)
    assert process.stdout
    assert any(text == "begun\n" for text in process.stdout)
    number = {"SIGTERM": signal.SIGTERM, "SIGKILL": signal.SIGKILL}.get(whom, signal.SIGINT)
    os.kill(process.pid, number) if whom == "nox alone" else os.killpg(process.pid, number)
    until(lambda: not re.search("sleep 471", processes(checked)), 5)
    said, _ = process.communicate(timeout=10)
    if number == signal.SIGINT:
        assert process.returncode == 130, said
        assert "interrupted" in said
    assert "Traceback" not in said


def in_terminal(project: Project, keys: dict[str, bytes], *argv: str) -> tuple[str, int]:
    """What a program says in a terminal of 100 columns, where `keys` are typed once the words before them appear."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.path)
        os.execve(argv[0], argv, project.env | {"TERM": "xterm-256color"})  # noqa: S606
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    said, waiting = b"", dict(keys)
    with suppress(OSError):
        while data := os.read(terminal, 4096):
            said += data
            for word in [word for word in waiting if word.encode() in said]:
                time.sleep(0.3)
                os.write(terminal, waiting.pop(word))
    os.close(terminal)
    return said.decode(errors="replace"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_terminal_is_the_hosts(checked: Project) -> None:
    said, code = in_terminal(checked, {}, NOX, "--session", "say", "--", "stty size; tty; echo $TERM")
    assert code == 0
    assert "40 100" in said
    assert "/dev/pts/" in said
    assert "xterm-256color" in said
    said, _ = in_terminal(checked, {}, NOX, "--session", "lint", "--", "--select", "E501", "--line-length", "60")
    assert "\x1b[1;91mE501" in said or "\x1b[1m\x1b[91mE501" in said


def test_ctrl_c_in_a_terminal_ends_it_and_nox(checked: Project) -> None:
    line = "trap '' INT; setsid sleep 4711 & echo begun; sleep 4712; sleep 4713"
    said, code = in_terminal(checked, {"begun\r": b"\x03"}, NOX, "--sessions", "say", "show", "--", line)
    assert code == 130, said
    assert "Running session show" not in said
    assert not re.search("sleep 471", processes(checked))


def test_pdb_can_be_talked_to(checked: Project) -> None:
    (checked.path / "tests/test_pdb.py").write_text("def test():\n    answer = 41 + 1\n    assert answer == 1\n")
    typed = {"(Pdb) ": b"print('is', answer)\n", "is 42": b"quit\n"}
    said, code = in_terminal(checked, typed, NOX, "--session", "tests", "--", "--pdb", "tests/test_pdb.py")
    (checked.path / "tests/test_pdb.py").unlink()
    assert "is 42" in said
    assert "failed with exit code 2" in said
    assert code == 1


def test_a_shell_in_the_container(checked: Project) -> None:
    typed = {"# ": b"whoami; sleep 99\n", "root\r": b"\x03", "^C": b"exit 3\n"}
    said, code = in_terminal(checked, typed, GOLDI, "ci.tools", "--shell")
    assert code == 3, said
    rows = json.loads(checked.goldi("ci.tools", "--json"))
    assert [row["name"] for row in rows] == containers(checked)
    assert "0 running" in checked.goldi("ci.tools")
    assert "is stopped" in checked.goldi("ci.tools", "--stop")
    assert "no tools container" in checked.goldi("ci.tools")


def test_git_works_in_a_worktree_and_in_a_subdirectory(checked: Project, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    git(checked.path, "worktree", "add", "--quiet", str(tree))
    shutil.copy(checked.path / "infrastructure/docker/.env", tree / "infrastructure/docker") if (
        checked.path / "infrastructure/docker/.env"
    ).exists() else None
    other = replace(checked, path=tree)
    try:
        assert "all of it" in inside(other, "git log --format=%s")
        inside(other, "git -c user.name=a -c user.email=b commit --quiet --allow-empty --message more")
    finally:
        stop(other)
        git(checked.path, "worktree", "remove", "--force", str(tree))
    assert "all of it" in inside(checked, "cd goldilocks && git log --format=%s")


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def ordinary(checked: Project, tmp_path: Path) -> Iterator[tuple[Project, tuple[str, ...]]]:
    """A copy that belongs to user 1000, and what runs a program as him; he may read where Python is installed."""
    path = tmp_path / "his own"
    shutil.copytree(checked.path, path, symlinks=True)
    home = tmp_path / "home"
    for folder in (home, tmp_path / "cache", tmp_path / "state"):
        folder.mkdir()
    for folder in (tmp_path, *tmp_path.rglob("*")):
        os.chown(folder, 1000, 1000, follow_symlinks=False)
    socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    caps = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    who = ("setpriv", "--reuid=1000", "--regid=1000", f"--groups={Path(socket).stat().st_gid}", *caps)
    made = Project(path, tmp_path / "cache", checked.image)
    yield made, (*who, "env", f"HOME={home}")
    stop(made)


@needs_root
def test_an_ordinary_user_has_a_name_a_home_and_his_own_files(ordinary: tuple[Project, tuple[str, ...]]) -> None:
    project, who = ordinary
    line = "whoami && touch made $HOME/made && id -u && git status && python -c 'import getpass; getpass.getuser()'"
    said = project.run(*who, NOX, "--session", "say", "--", line)
    assert "1000" in said
    assert (project.path / "made").stat().st_uid == 1000
    project.run(*who, NOX, "--sessions", "lint", "precommit", "typecheck")
    others = [path for path in project.path.parent.rglob("*") if path.lstat().st_uid != 1000]
    assert others == []


@needs_root
def test_a_repository_of_somebody_else_is_trusted(ordinary: tuple[Project, tuple[str, ...]]) -> None:
    project, _ = ordinary
    for folder in (project.cache_root, project.path.parent / "state"):
        os.chown(folder, 0, 0)
    assert "all of it" in nox(project, "--session", "say", "--", "git log --format=%s")


@needs_root
def test_a_socket_that_may_not_be_used_is_one_sentence(ordinary: tuple[Project, tuple[str, ...]]) -> None:
    project, who = ordinary
    alone = tuple("--clear-groups" if word.startswith("--groups") else word for word in who)
    said = project.run(*alone, NOX, "--session", "lint", code=1)
    assert "goldi: the Docker engine's socket may not be used by this user. Add yourself to the docker group" in said
    assert "Traceback" not in said


@needs_root
def test_a_cache_that_somebody_else_took_is_one_sentence(checked: Project) -> None:
    taken = checked.cache_root / "ruff-cache"
    inside(checked, "true")
    os.chown(taken / project_key(checked.path), 1000, 1000)
    said = nox(checked, "--session", "lint", code=1)
    os.chown(taken / project_key(checked.path), 0, 0)
    assert "belongs to user 1000. Remove it, or choose another root" in said
    assert "Traceback" not in said


@needs_root
@pytest.mark.parametrize("empty", [True, False])
def test_directories_that_the_engine_does_not_see_are_told(checked: Project, tmp_path: Path, empty: bool) -> None:
    """As with an engine in a VM: here it is we who are elsewhere, in a mount namespace of our own."""
    state = tmp_path / "state"
    (state / "goldi/checks" / project_key(checked.path) if empty else state).mkdir(parents=True)
    line = f"mount -t tmpfs none {state} && exec {NOX} --session lint"
    said = checked.run("unshare", "--mount", "sh", "-c", line, code=1, XDG_STATE_HOME=str(state))
    assert re.search(r"goldi: the engine does not see \S*/state/goldi/", said), said
    assert "Traceback" not in said


UV = """
for user in "$0"/*; do
    for name in outside inside; do
        (set -a; . "$user/$name.env"; exec /opt/build/bin/uv --show-settings pip install x) >"$user/$name" 2>&1
    done
done
"""


def test_uv_says_the_same_of_generated_configurations_with_what_is_handed_over(
    checked: Project, tmp_path: Path
) -> None:
    users = owners.users(tmp_path / "users", 60, 18, owners.uv_user)
    for user in users:
        told = {"HOME": "/nonexistent", "UV_NO_CONFIG": "1", **python_indexes.read_uv(user.environ, Files())}
        for name, environ in (("outside", user.environ), ("inside", told)):
            lines = (f"{key}={shlex.quote(value)}\n" for key, value in environ.items() if key != "PATH")
            (user.folder / f"{name}.env").write_text("".join(lines))
    folder = str(tmp_path / "users")
    mount = f"type=bind,source={folder},target={folder}"
    docker("run", "--rm", "--mount", mount, "--entrypoint", "sh", "goldi-test-checks:tools", "-c", UV, folder)
    compared = 0
    for user in users:
        outside, inside = ((user.folder / name).read_text() for name in ("outside", "inside"))
        assert owners.uv_settings(inside) == owners.uv_settings(outside), user.folder
        compared += "IndexLocations" in outside
    assert compared == len(users)


def test_npm_of_the_node_image_reads_the_same_as_we(tmp_path: Path) -> None:
    image = IMAGES["NODE_IMAGE"].name
    own = "$(dirname $(dirname $(readlink -f $(command -v npm))))/npmrc"
    ask = f"command -v npm; readlink -f $(command -v node); cat {own}"
    npm, node, *lines = docker("run", "--rm", image, "sh", "-c", ask).splitlines()
    # Where our reading finds the npm of that image.
    (tmp_path / "npm/bin").mkdir(parents=True)
    (tmp_path / "npm/npmrc").write_text("\n".join(lines))
    (tmp_path / "npm/bin/npm-cli.js").touch(0o755)
    (tmp_path / "npm/bin/npm").symlink_to("npm-cli.js")
    users = owners.users(tmp_path / "users", 300, 19, owners.npm_user)
    for user in users:
        user.environ["PATH"] = str(tmp_path / "npm/bin")
        user.environ.setdefault("NPM_CONFIG_GLOBALCONFIG", str(user.folder / "etc/npmrc"))
        for file in user.folder.rglob("*npmrc"):
            # npm 9 does not know `${NAME?}`.
            file.write_bytes(file.read_bytes().replace(b"?}", b"}"))
    mount = f"type=bind,source={tmp_path},target={tmp_path}"
    argv = ("docker", "run", "--rm", "--interactive", "--mount", mount, image, "node")
    owners.check_npm(users, owners.ask_npm(users, argv, npm, node))

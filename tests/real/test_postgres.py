"""The database image: built, hardened as compose files harden it, stopped, and started again with its volume."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real.conftest import Project, docker

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("builder_only")]

HARDENED = (
    *("--user", "postgres", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--read-only", "--tmpfs", "/tmp", "--tmpfs", "/var/run/postgresql"),
)
BEAR = ("--env", "POSTGRES_USER=bear", "--env", "POSTGRES_DB=bowls")
Start = Callable[..., str]


@pytest.fixture
def built(app: Project) -> str:
    """The image, under a name that nobody else has."""
    name = f"{app.image}:postgres"
    app.goldi("build.target", "postgres", "--set", f"postgres.tags={name}")
    return name


@pytest.fixture
def start(built: str) -> Iterator[Start]:
    """Starts a hardened container over one volume, which holds nothing at first; gives its name."""
    name = built.replace(":", "-")

    def run(*options: str) -> str:
        mount = f"type=volume,source={name},target=/var/lib/postgresql/data"
        docker("run", "--detach", "--name", name, *HARDENED, "--mount", mount, *options, built, "-c", "work_mem=7MB")
        return name

    yield run
    subprocess.run(("docker", "rm", "--force", "--volumes", name), check=True, capture_output=True)
    subprocess.run(("docker", "volume", "rm", "--force", name), check=True, capture_output=True)


def in_container(name: str, *argv: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(("docker", "exec", name, *argv), capture_output=True, text=True, check=False)


def ready(name: str) -> None:
    deadline = time.monotonic() + 60
    while in_container(name, "pg_isready", "--quiet", "--host", "127.0.0.1").returncode:
        assert time.monotonic() < deadline, docker("logs", name)
        time.sleep(0.1)


def query(name: str, sql: str, password: str = "") -> "subprocess.CompletedProcess[str]":
    """By the container's own address: the password is asked for."""
    psql = 'psql --no-password --tuples-only --no-align --host "$(hostname -i)" --username bear bowls --command "$1"'
    return in_container(name, "env", f"PGPASSWORD={password}", "sh", "-c", psql, "sh", sql)


def stop(name: str) -> None:
    """Stop it in order, well before docker would kill it, and remove it without its volume."""
    docker("stop", "--time", "30", name)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", name) == "0"
    docker("rm", name)


def test_what_was_written_is_there_after_a_stop(start: Start, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("just right\n")
    secret.chmod(0o644)
    mount = ("--mount", f"type=bind,source={secret},target=/run/secrets/password,readonly")
    name = start(*mount, "--env", "POSTGRES_PASSWORD_FILE=/run/secrets/password", *BEAR)
    ready(name)
    assert query(name, "CREATE TABLE bowl AS SELECT 'warm' AS text", "just right").returncode == 0
    for wrong in ("too hot", ""):
        refused = query(name, "SELECT 1", wrong)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "password" in refused.stderr
    assert query(name, "SHOW server_encoding", "just right").stdout == "UTF8\n"
    assert query(name, "SHOW work_mem", "just right").stdout == "7MB\n"
    assert in_container(name, "id", "-u").stdout == "999\n"
    stop(name)

    # Not asked for on a volume that holds a cluster.
    name = start()
    ready(name)
    assert query(name, "SELECT text FROM bowl", "just right").stdout == "warm\n"
    said = subprocess.run(("docker", "logs", name), check=True, capture_output=True, text=True).stderr
    assert "database system was shut down" in said, "there was no crash to recover from"


def test_stopped_while_it_makes_the_cluster_it_makes_a_whole_one(start: Start) -> None:
    name = start("--env", "POSTGRES_PASSWORD=warm", *BEAR)
    stop(name)
    name = start()
    ready(name)
    assert query(name, "SELECT 1", "warm").stdout == "1\n"


def test_started_by_root_it_steps_down(start: Start) -> None:
    name = start("--user", "root", "--cap-add", "ALL", "--env", "POSTGRES_PASSWORD=warm")
    ready(name)
    assert "Uid:\t999\t999\t999\t999\n" in in_container(name, "cat", "/proc/1/status").stdout
    stop(name)


def test_no_password_is_refused(built: str) -> None:
    done = subprocess.run(("docker", "run", "--rm", built), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: Database is uninitialized and superuser password is not specified.")

"""What docker and compose said when something was wrong, as it was recorded, and what is made of it."""

from pathlib import Path

import pytest

from goldi_tasks.client import system_info
from goldi_tasks.compose import compose_errors, containers
from goldi_tasks.compose.containers import Container
from goldi_tasks.errors import CommandFailed, NoEngine

DAEMON = "Error response from daemon: "
GONE = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("yaml: line 7: mapping values are not allowed in this context", "the compose file is not valid YAML: line 7"),
        ("parsing /p/compose.yaml: yaml: line 2: did not find expected key", "compose.yaml is not valid YAML: line 2"),
        ("failed to parse /p/a b/c.yml: yaml: line 90: did not find", "a b/c.yml is not valid YAML: line 90"),
        ('service "web" depends on undefined service "bd": invalid compose project', "web depends on bd, which is no"),
        ("validating /p/compose.yaml: services.web.port is not allowed", "compose.yaml: services.web.port is not"),
        ('service "web" refers to undefined volume x: invalid compose project', "the compose file: service"),
        ("required variable NAME is missing a value: say who", "the compose file needs NAME: say who. Set it"),
        (
            f"{DAEMON}driver failed programming external connectivity on endpoint x: Bind for 127.0.0.1:8000 failed: "
            "port is already allocated",
            "port 8000 of 127.0.0.1 is in use. Stop what uses it",
        ),
        (
            f"{DAEMON}failed to populate volume: error while mounting volume '/v': failed to mount local volume: mount "
            "/tmp/pip-cache:/v, flags: 0x1000: no such file or directory",
            "the directory /tmp/pip-cache of a volume does not exist. Create it with `inv cache.setup`",
        ),
        (
            f"{DAEMON}invalid mount config: bind source path does not exist: /x",
            "/x cannot be mounted: it does not exist",
        ),
        (
            f'{DAEMON}failed to resolve reference "docker.io/library/nope:1": pull access denied',
            "docker.io/library/nope:1 cannot be pulled: ",
        ),
        (f"{DAEMON}write /x: no space left on device", "the disk is full: the stack cannot start"),
        ("something that nobody has seen", "compose: something that nobody has seen. See `inv compose.config`"),
    ],
)
def test_it_is_told_in_one_sentence(said: str, told: str) -> None:
    error = compose_errors.translate(CommandFailed(f"docker compose: {said}", 1), Path("/p"))
    assert str(error).startswith(told)
    assert "\n" not in str(error)


def test_an_engine_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise NoEngine("no Docker engine answers")

    monkeypatch.setattr(system_info, "engine_info", none)
    with pytest.raises(NoEngine):
        compose_errors.translate(CommandFailed(f"docker compose: {GONE}", 1), Path("/p"))


@pytest.mark.parametrize(
    ("state", "status", "health", "code", "up"),
    [
        ("running", "Up 2 seconds (healthy)", "healthy", None, True),
        ("running", "Up 2 seconds", "", None, True),
        ("running", "Up 2 seconds (health: starting)", "starting", None, False),
        ("running", "Up 2 minutes (unhealthy)", "unhealthy", None, False),
        ("exited", "Exited (3) 2 seconds ago", "", 3, False),
        ("restarting", "Restarting (1) 2 seconds ago", "", 1, False),
    ],
)
def test_what_the_engine_lists(state: str, status: str, health: str, code: int | None, up: bool) -> None:
    found = Container("id", "name", state, status, "image", "", "bears", "web", "/p")
    assert (found.health, found.exit_code, found.is_up) == (health, code, up)
    assert containers.FIELDS.count("{{.Status}}") == 1

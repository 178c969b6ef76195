"""How the dev container CLI is called, and a command in its container."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from goldi_tasks import settings as project_settings
from goldi_tasks.client.system_info import Host
from goldi_tasks.devcontainer import devcontainer_arguments
from goldi_tasks.devcontainer.cli_events import UpEvents
from goldi_tasks.devcontainer.devcontainer_arguments import DevContainer
from goldi_tasks.errors import SettingsError
from goldi_tasks.settings import Settings

HOST = Host(1, 1, False, "linux/amd64")
ROW = {
    "Id": "abc",
    "Image": "sha256:1",
    "State": {"Status": "running", "StartedAt": "today"},
    "Mounts": [{"Destination": devcontainer_arguments.AGENT, "Source": "/run/agent"}],
    "Config": {
        "Labels": {
            devcontainer_arguments.LABEL: "/a/project",
            devcontainer_arguments.METADATA: json.dumps(
                [
                    {"remoteUser": "first"},
                    {
                        "remoteUser": "dev",
                        "remoteEnv": {
                            "P": "${localWorkspaceFolder}/x:${containerEnv:PATH}",
                            "N": None,
                            "E": "${localEnv:NONE:default}",
                        },
                    },
                ]
            ),
        },
        "Env": ["PATH=/bin:/usr/bin", "X=a=b"],
    },
}


@pytest.fixture
def settings(project: Path) -> Settings:
    return project_settings.load(project, {})


@pytest.fixture
def there() -> DevContainer:
    (found,) = devcontainer_arguments.parse_containers(json.dumps([ROW]))
    return found


def test_what_docker_tells_of_a_container(there: DevContainer) -> None:
    assert (there.id, there.running, there.folder, there.user) == ("abc", True, "/a/project", "dev")
    assert there.env["X"] == "a=b"
    stopped = ROW | {
        "Id": "old",
        "State": {"Status": "exited"},
        "Config": {"Labels": {devcontainer_arguments.METADATA: "{"}, "Env": None},
    }
    assert [row.id for row in devcontainer_arguments.parse_containers(json.dumps([stopped, ROW]))] == ["abc", "old"]
    assert devcontainer_arguments.parse_containers(json.dumps([stopped]))[0].user == ""


def test_remote_env_is_filled_in(there: DevContainer) -> None:
    assert devcontainer_arguments.remote_env(there, {}) == {"P": "/a/project/x:/bin:/usr/bin", "E": "default"}


def test_a_command_inside_has_user_directory_and_environment_by_name(there: DevContainer) -> None:
    command = devcontainer_arguments.exec_in_container(
        there, HOST, Path("/a/project/sub"), {"CI": "1", "HOME": "/me"}, "mark", ("a b", "$c")
    )
    assert command.argv[-3:] == ("exec", "a b", "$c")
    assert command.argv[:5] == ("docker", "exec", "--interactive", "--user", "dev")
    assert "/a/project/sub" in command.argv
    assert command.env == {
        "CI": "1",
        "E": "default",
        "GOLDI_EXEC": "mark",
        "P": "/a/project/x:/bin:/usr/bin",
        "SSH_AUTH_SOCK": devcontainer_arguments.AGENT,
    }
    assert not any("default" in word for word in command.argv)
    assert (
        "--user"
        not in devcontainer_arguments.exec_in_container(
            replace(there, metadata=()), HOST, Path("/a"), {}, "m", ("x",)
        ).argv
    )


@pytest.mark.parametrize(
    ("agent", "anew", "extra"),
    [
        ("", False, ()),
        ("/run/a,b", False, ()),
        (
            "/run/agent",
            True,
            (
                *("--mount", f"type=bind,source=/run/agent,target={devcontainer_arguments.AGENT}"),
                *("--remote-env", f"SSH_AUTH_SOCK={devcontainer_arguments.AGENT}", "--remove-existing-container"),
            ),
        ),
    ],
)
def test_up(settings: Settings, agent: str, anew: bool, extra: tuple[str, ...]) -> None:
    command = devcontainer_arguments.up("cli", settings, agent, Path("/data"), anew)
    assert command.argv == (
        *("cli", "up", "--workspace-folder", str(settings.project), "--log-format", "json"),
        *("--user-data-folder", "/data", *extra),
    )
    assert command.env["GOLDI_IMAGE"] == settings.image


def test_a_comma_in_the_projects_path(make_project: Callable[..., Path]) -> None:
    settings = project_settings.load(make_project(name="a,b"), {})
    with pytest.raises(SettingsError, match="whose name has a comma"):
        devcontainer_arguments.up("cli", settings, "", Path("/data"), False)


def test_the_root_container_that_changes_owners_sees_git_only() -> None:
    argv = devcontainer_arguments.run_owner_program("image", "name", Path("/p/.git"), ("1", "2")).argv
    assert argv.count("--mount") == 1
    assert [argv[at + 1] for at, word in enumerate(argv) if word == "--cap-add"] == ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
    assert argv[-6:] == ("image", "-I", "-", "/git", "1", "2")


def heard(*events: object) -> tuple[UpEvents, list[str]]:
    story = UpEvents()
    return story, list(story.feed("".join(json.dumps(event) + "\n" for event in events) + "a trace\n"))


def test_progress_for_people() -> None:
    story, lines = heard(
        {"type": "start", "text": "Run: docker run --x"},
        {"type": "raw", "text": "\x1b[1mRunning the postStartCommand from devcontainer.json...\x1b[0m\r\n\r\n"},
        {"type": "raw", "text": "Container started\n"},
        {"type": "raw", "text": "goldi: something\r\n"},
        {"type": "text", "text": "noise"},
        {"outcome": "success", "containerId": "abc"},
    )
    assert lines == ["goldi: starting the container", "goldi: something"]
    assert story.result["containerId"] == "abc"


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (
            {"type": "raw", "text": "docker: Error response from daemon: no space\n"},
            "the dev container cannot be started: no space",
        ),
        ({"type": "raw", "text": "goldi: it is broken. Mend it.\n"}, "it is broken. Mend it."),
        (
            {"outcome": "error", "message": "Command failed: x", "description": "An error."},
            "devcontainer up: Command failed: x",
        ),
    ],
)
def test_a_failure_in_one_sentence(event: object, problem: str) -> None:
    assert heard(event)[0].failure()[0] == problem

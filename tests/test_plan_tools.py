import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks import settings as project_settings
from goldi_tasks.checks import check_arguments
from goldi_tasks.checks.check_arguments import Job, ToolsContainer
from goldi_tasks.client.system_info import Host
from goldi_tasks.errors import SettingsError
from goldi_tasks.paths import CACHES
from tests.test_plan_container import AWKWARD, binds

HOST = Host(uid=1000, gid=100, tty=False, platform="linux/amd64")
JOB = Job("1.job", ("pytest", "-k", "a or b"), {"CI": "1", "SKIP": "x y"}, Path("/p/sub"))
GIT = [("safe.directory", "/p"), ("safe.directory", "/q"), ("user.name", "A B")]


@pytest.fixture
def tools(project: Path) -> ToolsContainer:
    settings = project_settings.load(project, {})
    return ToolsContainer(settings, "sha256:1", "1000:100", (project,), ((1, 2, 3),), Path("/state"), "told", "scripts")


def pairs(argv: tuple[str, ...]) -> set[tuple[str, str]]:
    return set(itertools.pairwise(argv))


def test_it_has_no_rights_that_a_check_does_not_need(tools: ToolsContainer) -> None:
    found = check_arguments.start(tools, Path("/told"), GIT).argv
    wanted = {("--cap-drop", "ALL"), ("--security-opt", "no-new-privileges"), ("--user", "1000:100")}
    assert wanted <= pairs(found)
    assert {"--rm", "--init", "--detach"} <= set(found)
    assert not {"--privileged", "--volume", "-v", "--cap-add"} & set(found)


def test_an_image_that_is_not_there_is_not_looked_for_in_a_registry(tools: ToolsContainer) -> None:
    assert ("--pull", "never") in pairs(check_arguments.start(tools, Path("/told"), GIT).argv)


def test_the_caller_has_a_name(tools: ToolsContainer) -> None:
    assert binds(check_arguments.start(tools, Path("/told"), GIT).argv)["/etc/passwd"] == "/state/passwd"
    # Root's own is there too, in an image whose user is another.
    assert ("--user", "0:0") in pairs(check_arguments.start(replace(tools, user="0:0"), Path("/told"), GIT).argv)


def test_trees_are_at_their_own_paths_and_caches_at_their_mount_points(tools: ToolsContainer) -> None:
    found = binds(check_arguments.start(replace(tools, trees=(AWKWARD, Path("/q"))), Path("/told"), GIT).argv)
    assert found[str(AWKWARD)] == str(AWKWARD)
    assert found["/q"] == "/q"
    assert found["/cache/mypy"] == str(tools.settings.cache_root / "mypy-cache" / tools.settings.key)
    assert found[check_arguments.SHARED] == "/state"


def test_git_is_configured_by_variables(tools: ToolsContainer) -> None:
    found = {value for flag, value in pairs(check_arguments.start(tools, Path("/told"), GIT).argv) if flag == "--env"}
    assert {"GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_1=safe.directory", "GIT_CONFIG_VALUE_1=/q"} <= found
    assert "GIT_CONFIG_VALUE_2=A B" in found


def test_a_check_runs_as_it_was_given_with_values_in_no_argument(tools: ToolsContainer) -> None:
    found = check_arguments.exec_command(tools, HOST, JOB)
    assert found.argv[:2] == ("docker", "exec")
    assert found.argv[-6:] == ("job", "/run/goldi/1.job", "6", "pytest", "-k", "a or b")
    assert ("--workdir", "/p/sub") in pairs(found.argv)
    assert {("--env", "CI"), ("--env", "SKIP")} <= pairs(found.argv)
    assert found.env == JOB.env
    assert "x y" not in found.argv


def test_what_a_noxfile_names_stands_in_no_argument_and_in_no_message(tools: ToolsContainer) -> None:
    job = replace(
        JOB,
        secrets=check_arguments.pack_variables({"DATABASE_URL": "postgres://me:hush@db/x", "DOCKER_HOST": "tcp://x"}),
    )
    for found in (
        check_arguments.exec_command(tools, HOST, job),
        check_arguments.run_command(tools, HOST, Path("/told"), GIT, job),
    ):
        assert ("--env", check_arguments.CARRIER) in pairs(found.argv)
        assert "hush" not in str(found)
        # The client itself heeds none of them.
        assert found.env.keys() | found.secrets.keys() == {"CI", "SKIP", check_arguments.CARRIER}


@pytest.mark.parametrize("name", ["", "A=B", "GOLDI_JOB", "GOLDI_ENV", "A\0B", "\ud800"])
def test_a_name_that_no_program_can_be_given_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="Correct `env` of its container_session"):
        check_arguments.pack_variables({name: "x"})


def test_nothing_named_is_nothing_carried() -> None:
    assert check_arguments.pack_variables({}) == {}


def test_a_terminal_is_asked_for_where_there_is_one(tools: ToolsContainer) -> None:
    assert "--tty" not in check_arguments.exec_command(tools, HOST, JOB).argv
    assert "--tty" in check_arguments.exec_command(tools, replace(HOST, tty=True), JOB).argv


def test_a_fresh_container_runs_the_same_and_is_not_kept(tools: ToolsContainer) -> None:
    found = check_arguments.run_command(tools, HOST, Path("/told"), GIT, JOB).argv
    assert found[:2] == ("docker", "run")
    assert "--rm" in found
    assert not {"--detach", "--name", "--label"} & set(found)
    assert found[-3:] == ("pytest", "-k", "a or b")


def other_settings(tools: ToolsContainer, **values: Any) -> ToolsContainer:
    return replace(tools, settings=replace(tools.settings, **values))


CHANGES: dict[str, Callable[[ToolsContainer], ToolsContainer]] = {
    "image": lambda tools: replace(tools, image="sha256:2"),
    "user": lambda tools: replace(tools, user="0:0"),
    "trees": lambda tools: replace(tools, trees=(Path("/q"),)),
    "caches made anew": lambda tools: replace(tools, caches=((1, 3, 3),)),
    "network": lambda tools: replace(tools, network=""),
    "scripts": lambda tools: replace(tools, scripts=""),
    "cache root": lambda tools: other_settings(tools, cache_root=Path("/other")),
    "idle time": lambda tools: other_settings(tools, idle_minutes=1.0),
    "certificates": lambda tools: other_settings(tools, ca_bundle="/ca.pem"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_matters_makes_another_container(tools: ToolsContainer, name: str) -> None:
    assert CHANGES[name](tools).name != tools.name


def test_what_does_not_matter_does_not(tools: ToolsContainer) -> None:
    assert other_settings(tools, warm=False).name == tools.name
    assert tools.name.startswith(f"goldi-{tools.settings.key}-")


def test_variables_that_are_said_to_tools_are_passed_and_those_that_send_caches_are_not() -> None:
    given = {"RUFF_OUTPUT_FORMAT": "concise", "RUFF_CACHE_DIR": "/h", "SKIP": "a", "PATH": "/bin", "SECRET": "x"}
    assert check_arguments.environment(given, HOST) == {"RUFF_OUTPUT_FORMAT": "concise", "SKIP": "a"}
    sent = {cache.variable: "/host" for cache in CACHES if cache.variable and cache.variable != "PYTEST_ADDOPTS"}
    assert check_arguments.environment(sent, HOST) == {}


def test_pytests_options_keep_its_cache_where_the_table_says() -> None:
    assert check_arguments.environment({"PYTEST_ADDOPTS": "-x -vv"}, HOST) == {
        "PYTEST_ADDOPTS": "-o cache_dir=/cache/pytest -x -vv"
    }


def test_colour_and_width_are_those_of_the_host() -> None:
    shown = replace(HOST, is_output_tty=True, columns=132)
    assert check_arguments.environment({}, HOST) == {}
    assert check_arguments.environment({}, shown) == {
        "FORCE_COLOR": "1",
        "PRE_COMMIT_COLOR": "always",
        "COLUMNS": "132",
    }
    assert check_arguments.environment({"NO_COLOR": "1"}, shown) == {"NO_COLOR": "1", "COLUMNS": "132"}
    # docker gives it the terminal's own size, and keeps it.
    assert check_arguments.environment({"COLUMNS": "10", "TERM": "xterm"}, replace(shown, tty=True)) == {
        "TERM": "xterm"
    }

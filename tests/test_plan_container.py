import csv
import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from goldi_tasks import settings as project_settings
from goldi_tasks.client import run_arguments
from goldi_tasks.client.system_info import Host
from goldi_tasks.paths import CACHES
from goldi_tasks.settings import Settings

HOST = Host(uid=1000, gid=100, tty=False, platform="linux/amd64")
AWKWARD = Path('/a b/ü,"c"')


@pytest.fixture
def settings(project: Path) -> Settings:
    return project_settings.load(project, {})


def argv(settings: Settings, host: Host = HOST) -> tuple[str, ...]:
    where = settings.project / "sub"
    return run_arguments.run(
        settings, host, (1000, 100), "three-bears:tools", where, Path("/told"), ("pytest", "-k", "a b")
    ).argv


def binds(found: tuple[str, ...]) -> dict[str, str]:
    """Source by target, read from the arguments as docker reads them."""
    values = [value for flag, value in itertools.pairwise(found) if flag == "--mount"]
    rows = [next(csv.reader([value])) for value in values]
    fields = [dict(field.split("=", 1) for field in row if field != "readonly") for row in rows]
    assert all(field["type"] == "bind" for field in fields)
    return {field["target"]: field["source"] for field in fields}


def test_the_command_runs_as_it_was_given_in_the_callers_directory(settings: Settings) -> None:
    found = argv(settings)
    assert found[:3] == ("docker", "run", "--rm")
    assert found[found.index("--workdir") + 1] == str(settings.project / "sub")
    assert found[-5:] == ("three-bears:tools", "online", "pytest", "-k", "a b")


def test_files_belong_to_the_caller(settings: Settings) -> None:
    found = argv(settings)
    assert found[found.index("--user") + 1] == "1000:100"


def test_a_terminal_is_passed_on_where_there_is_one(settings: Settings) -> None:
    assert "--tty" not in argv(settings)
    assert "--tty" in argv(settings, replace(HOST, tty=True))


def test_the_project_is_mounted_at_its_own_path_and_every_cache_at_its_mount_point(settings: Settings) -> None:
    found = binds(argv(replace(settings, frontend=True)))
    assert found.pop(str(settings.project)) == str(settings.project)
    assert found.pop("/run/secrets/build_env") == "/told"
    app = settings.project / settings.app
    assert found == {
        str(app / cache.mount): str(cache.path(settings.cache_root, settings.key)) for cache in CACHES if cache.mount
    }


def test_node_modules_are_mounted_where_there_is_a_front_end_only(settings: Settings) -> None:
    assert not [target for target in binds(argv(settings)) if target.endswith("node_modules")]


def test_any_path_can_be_mounted(settings: Settings) -> None:
    found = binds(argv(replace(settings, project=AWKWARD, cache_root=AWKWARD)))
    assert found[str(AWKWARD)] == str(AWKWARD)
    assert found["/cache/pip"] == str(AWKWARD / "pip-cache")


def test_certificates_are_where_a_build_step_has_them(settings: Settings) -> None:
    found = argv(replace(settings, ca_bundle="/etc/ca.pem"))
    assert binds(found)["/run/secrets/ca_bundle"] == "/etc/ca.pem"
    assert any("target=/run/secrets/ca_bundle" in word and "readonly" in word for word in found)


def test_a_container_that_is_root_sees_one_directory_and_nothing_else() -> None:
    found = run_arguments.as_root("image", "name", AWKWARD, ("", "keys")).argv
    assert binds(found) == {"/cache": str(AWKWARD)}
    assert found[-6:] == ("image", "-I", "-", "/cache", "", "keys")
    pairs = set(itertools.pairwise(found))
    assert pairs >= {("--network", "none"), ("--cap-drop", "ALL"), ("--pull", "never"), ("--user", "0:0")}
    assert {value for flag, value in pairs if flag == "--cap-add"} == {"DAC_OVERRIDE", "FOWNER"}
    assert {"--rm", "--read-only", "--interactive"} <= set(found)
    assert not {"--privileged", "--volume", "-v"} & set(found)

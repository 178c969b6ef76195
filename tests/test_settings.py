import inspect
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from goldi_tasks import settings
from goldi_tasks.errors import NotAProject, SettingsError
from goldi_tasks.paths import BY_NAME, CACHES
from goldi_tasks.settings import Settings
from goldi_tasks.settings.keys import KEYS as TABLE

MakeProject = Callable[..., Path]

# Key, variable, field, a value for the file, another for the environment.
KEYS = [
    ("app", "GOLDI_APP", "app", "one", "two"),
    ("image", "GOLDI_IMAGE", "image", "one", "two"),
    ("cache-root", "GOLDI_CACHE_ROOT", "cache_root", "/one", "/two"),
    ("images.python", "PYTHON_IMAGE", "python_image", "mirror/python:1", "mirror/python:2"),
    ("images.node", "NODE_IMAGE", "node_image", "mirror/node:1", "mirror/node:2"),
    ("images.postgres", "POSTGRES_IMAGE", "postgres_image", "mirror/postgres:1", "mirror/postgres:2"),
    ("ca-bundle", "GOLDI_CA_BUNDLE", "ca_bundle", "/one.pem", "/two.pem"),
    ("installer", "GOLDI_INSTALLER", "installer", "pip", "uv"),
    ("smoke-test", "GOLDI_SMOKE_TEST", "smoke_test", "False", "True"),
    ("host-network", "GOLDI_HOST_NETWORK", "host_network", "none", "no-logins"),
    ("run", "GOLDI_RUN", "run", "host", "container"),
    ("warm", "GOLDI_WARM", "warm", "False", "True"),
    ("idle-minutes", "GOLDI_IDLE_MINUTES", "idle_minutes", "0.5", "60.0"),
    ("registry", "GOLDI_REGISTRY", "registry", "registry.example/one", "127.0.0.1:5000"),
    ("main-branch", "GOLDI_MAIN_BRANCH", "main_branch", "trunk", "master"),
    ("cache.backend", "GOLDI_CACHE_BACKEND", "cache_backend", "registry", "gha"),
    ("cache.ref", "GOLDI_CACHE_REF", "cache_ref", "registry.example/one/cache", "two.example:5000/c"),
    ("images.scanner", "SCANNER_IMAGE", "scanner_image", "mirror/scanner:1", "mirror/scanner:2"),
    ("builder.driver", "GOLDI_BUILDER_DRIVER", "builder_driver", "remote", "kubernetes"),
    ("builder.endpoint", "GOLDI_BUILDER_ENDPOINT", "builder_endpoint", "tcp://one:1", "tcp://two:2"),
    ("builder.options", "GOLDI_BUILDER_OPTIONS", "builder_options", "a=1", "b=2,a=3"),
    ("builder.certificates", "GOLDI_BUILDER_CERTIFICATES", "builder_certificates", "/one", "/two"),
    ("builder.fallback", "GOLDI_BUILDER_FALLBACK", "builder_fallback", "True", "False"),
    ("max-age", "GOLDI_MAX_AGE", "max_age", "5s", "7s"),
    ("max-size", "GOLDI_MAX_SIZE", "max_size", "5B", "7B"),
]
# What a value becomes that does not stay as it is written.
READ = {"5s": "5.0", "7s": "7.0", "5B": "5", "7B": "7"}
READ |= {"a=1": "(('a', '1'),)", "b=2,a=3": "(('a', '3'), ('b', '2'))"}


@pytest.fixture
def files(make_project: MakeProject, tmp_path: Path) -> Callable[..., Path]:
    """Makes a project in which the values of KEYS exist."""

    def make(*lines: str) -> Path:
        project = make_project(*lines)
        for name in ("one", "two"):
            (project / name).mkdir()
            (tmp_path / f"{name}.pem").touch()
        return project

    return make


@pytest.mark.parametrize(("key", "variable", "field", "value", "other"), KEYS, ids=[row[0] for row in KEYS])
def test_environment_over_table_over_default(
    files: MakeProject, tmp_path: Path, key: str, variable: str, field: str, value: str, other: str
) -> None:
    if key == "ca-bundle":
        value, other = f"{tmp_path}{value}", f"{tmp_path}{other}"
    project = files(f'{key} = "{value}"')
    default = getattr(settings.outside({}), field)
    given, value, other = other, READ.get(value, value), READ.get(other, other)
    assert str(getattr(settings.load(project, {}), field)) == value != str(default)
    assert str(getattr(settings.load(project, {variable: given}), field)) == other
    assert str(getattr(settings.load(project, {variable: ""}), field)) == value, "an empty variable is no choice"


def test_the_keys_here_are_all_keys() -> None:
    assert [key for key, *_ in KEYS] == [key for key in TABLE if not key.startswith("cache-roots.")]
    assert {f"cache-roots.{cache.name}" for cache in CACHES} < TABLE.keys()


@pytest.mark.parametrize(("key", "variable"), [row[:2] for row in KEYS])
def test_every_key_is_documented_under_its_field(key: str, variable: str) -> None:
    assert f'"""`{key}` ({variable}): ' in inspect.getsource(Settings)


def test_defaults(make_project: MakeProject) -> None:
    project = make_project()
    found = settings.load(project, {})
    assert found == Settings(project, image="three-bears")
    assert found.cache_root == Path("/tmp")
    assert re.fullmatch(r"project-[0-9a-f]{8}", found.key)
    assert not found.images_chosen


def test_the_image_has_the_name_of_the_app_that_is_built(make_project: MakeProject) -> None:
    project = make_project('app = "apps/Porridge Bowl"')
    app = project / "apps" / "Porridge Bowl"
    app.mkdir(parents=True)
    assert settings.load(project, {}).image == "porridge-bowl"
    (app / "pyproject.toml").write_text('[project]\nname = "Too_Hot.Porridge"\n')
    assert settings.load(project, {}).image == "too-hot-porridge"


def test_an_app_has_a_front_end_if_it_has_a_package_json(make_project: MakeProject) -> None:
    project = make_project()
    assert not settings.load(project, {}).frontend
    (project / "frontend").mkdir()
    (project / "frontend" / "package.json").touch()
    assert settings.load(project, {}).frontend


@pytest.mark.parametrize("given", [{"PYTHON_IMAGE": "x"}, {"NODE_IMAGE": "x"}])
def test_a_named_image_is_a_choice(project: Path, given: dict[str, str]) -> None:
    assert settings.load(project, given).images_chosen


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('cache-rot = "/x"', "unknown setting 'cache-rot' in [tool.goldi]. Did you mean 'cache-root'?"),
        ('cache_root = "/x"', "unknown setting 'cache_root' in [tool.goldi]. Did you mean 'cache-root'?"),
        ('images.pyton = "x"', "unknown setting 'images.pyton' in [tool.goldi]. Did you mean 'images.python'?"),
        ('images.ruby = "x"', "unknown setting 'images.ruby' in [tool.goldi]"),
        ('zzz = "x"', "unknown setting 'zzz' in [tool.goldi]. Known: app, builder.certificates, builder."),
        ('cache-roots = "/x"', "tool.goldi.cache-roots is not a table. Write it as [tool.goldi.cache-roots]."),
        (
            'cache-roots.pip = "/x"',
            "unknown setting 'cache-roots.pip' in [tool.goldi]. Did you mean 'cache-roots.pip-cache'?",
        ),
        (
            'cache-roots.pip-cache = "x"',
            "[tool.goldi]: cache-roots.pip-cache must be an absolute path, not 'x'. Begin it with / or ~.",
        ),
        ("cache-roots.uv-cache = {}", "[tool.goldi]: cache-roots.uv-cache must be a string, not {}"),
        ('cache-roots.uv-cache = "/tmp/pip-cache/x"', "the cache root /tmp/pip-cache/x lies in pip-cache. "),
        ("builder.driver = 1", "[tool.goldi]: builder.driver must be 'docker' or 'docker-container' or 'remote' or "),
        ("builder.drivr = 1", "unknown setting 'builder.drivr' in [tool.goldi]. Did you mean 'builder.driver'?"),
        ('builder = "remote"', "tool.goldi.builder is not a table. Write it as [tool.goldi.builder]."),
        ('builder.options = "a"', "[tool.goldi]: builder.options must be names and values, not 'a'. Write name=value"),
        ("builder.options = [1]", "[tool.goldi]: builder.options must be a string, not 1"),
        ("builder.options.a = []", "[tool.goldi]: builder.options: a must be a string or a number"),
        ('builder.certificates = "keys"', "[tool.goldi]: builder.certificates must be an absolute path, not 'keys'"),
        ("app = 1", "[tool.goldi]: app must be a string, not 1. Put it in quotes."),
        ("image = true", "[tool.goldi]: image must be a string, not True"),
        ("cache-root = 3", "[tool.goldi]: cache-root must be a string, not 3"),
        ('cache-root = ""', "[tool.goldi]: cache-root must be a string, not ''"),
        ('cache-root = "caches"', "[tool.goldi]: cache-root must be an absolute path, not 'caches'. Begin it with /"),
        ("images.python = []", "[tool.goldi]: images.python must be a string, not []"),
        ("images.node = 22", "[tool.goldi]: images.node must be a string, not 22"),
        ("ca-bundle = false", "[tool.goldi]: ca-bundle must be a string, not False"),
        ('ca-bundle = "/nowhere.pem"', "ca-bundle /nowhere.pem is not a file. Point it to a PEM file"),
        ('installer = "conda"', "[tool.goldi]: installer must be 'uv' or 'pip', not 'conda'"),
        ("installer = 1", "[tool.goldi]: installer must be 'uv' or 'pip', not 1"),
        ('app = "/etc"', "[tool.goldi]: app must lie inside the project, not '/etc'"),
        ('app = "../other"', "[tool.goldi]: app must lie inside the project, not '../other'"),
        ('app = "nowhere"', "app 'nowhere' is not a directory of "),
        (f'app = "{"a" * 5000}"', "app 'aaa"),
        ('cache-root = "~nobody-here/x"', "[tool.goldi]: cache-root names an unknown user: '~nobody-here/x'."),
        ('image = "a\\u0000"', "[tool.goldi]: image must not hold a NUL, as 'a\\x00' does"),
    ],
)
def test_bad_values_are_told_with_their_place_and_remedy(make_project: MakeProject, line: str, message: str) -> None:
    with pytest.raises(SettingsError, match="^" + re.escape(message)):
        settings.load(make_project(line), {})


def test_a_cache_may_have_a_root_of_its_own(make_project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/bear")
    project = make_project("[tool.goldi.cache-roots]", 'pip-cache = "~/fast"', 'mypy-cache = "/tmp"', 'uv-cache = "/a"')
    found = settings.load(project, {"GOLDI_CACHE_ROOT_UV_CACHE": "/b", "GOLDI_CACHE_ROOT_BUILDX_CACHE_TOOLS": "/c"})
    assert found.cache_roots == {
        "pip-cache": Path("/home/bear/fast"),
        "uv-cache": Path("/b"),
        ".buildx-cache-tools": Path("/c"),
    }
    assert found.roots.all == (Path("/tmp"), Path("/c"), Path("/home/bear/fast"), Path("/b"))
    assert found.roots.folder(BY_NAME["pip-cache"]) == Path("/home/bear/fast/pip-cache")
    assert found.roots.path(BY_NAME["mypy-cache"], "key") == Path("/tmp/mypy-cache/key")
    said = found.roots.variables
    assert said.keys() == {"GOLDI_CACHE_ROOT", *(cache.root_variable for cache in CACHES)}
    assert {name: value for name, value in said.items() if value} == {
        "GOLDI_CACHE_ROOT": "/tmp",
        "GOLDI_CACHE_ROOT_PIP_CACHE": "/home/bear/fast",
        "GOLDI_CACHE_ROOT_UV_CACHE": "/b",
        "GOLDI_CACHE_ROOT_BUILDX_CACHE_TOOLS": "/c",
    }


def test_a_misspelt_variable_of_a_cache_is_told(project: Path) -> None:
    with pytest.raises(SettingsError, match=r"GOLDI_CACHE_ROOT_PIP\. Did you mean 'GOLDI_CACHE_ROOT_PIP_CACHE'"):
        settings.load(project, {"GOLDI_CACHE_ROOT_PIP": "/x"})


def test_images_that_is_no_table_is_an_error(make_project: MakeProject) -> None:
    with pytest.raises(SettingsError, match="images is not a table"):
        settings.load(make_project('images = "python:3"'), {})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GOLDI_CACHE_ROOT", "caches"),
        ("GOLDI_INSTALLER", "conda"),
        ("GOLDI_APP", "/etc"),
        ("GOLDI_CA_BUNDLE", "/nowhere.pem"),
    ],
)
def test_a_bad_variable_is_told_by_its_name_or_value(project: Path, variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable}|{value}"):
        settings.load(project, {variable: value})


def test_a_home_in_the_cache_root_is_meant(make_project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/bear")
    assert settings.load(make_project('cache-root = "~/caches"'), {}).cache_root == Path("/home/bear/caches")


def test_certificates_come_from_the_first_usual_variable_that_is_set(project: Path, tmp_path: Path) -> None:
    environ = {name: str(tmp_path / name) for name in settings.CA_VARIABLES}
    for file in environ.values():
        Path(file).touch()
    assert settings.load(project, {}).ca_bundle == ""
    for name in settings.CA_VARIABLES:
        assert settings.load(project, {"X": "y", **environ}).ca_bundle == environ[name]
        environ[name] = ""
    assert settings.load(project, environ).ca_bundle == ""


def test_a_usual_variable_that_names_no_file_does_not_break_every_build(project: Path) -> None:
    """Bake fails on a secret that is not there, with a message that names neither the variable nor a remedy."""
    try:
        found = settings.load(project, {"NODE_EXTRA_CA_CERTS": "/nowhere.pem"})
    except SettingsError:
        return
    assert found.ca_bundle == ""


def test_a_given_bundle_wins_over_the_usual_variables(files: MakeProject, tmp_path: Path) -> None:
    project = files(f'ca-bundle = "{tmp_path}/one.pem"')
    assert settings.load(project, {"SSL_CERT_FILE": f"{tmp_path}/two.pem"}).ca_bundle == f"{tmp_path}/one.pem"


def test_a_bundle_in_the_project_is_found_from_anywhere_in_it(make_project: MakeProject) -> None:
    """Bake runs in the project's directory, so that is what a relative path must mean."""
    project = make_project('ca-bundle = "certs/ca.pem"')
    (project / "certs").mkdir()
    (project / "certs" / "ca.pem").touch()
    found = settings.load(project / "certs", {}).ca_bundle
    assert (project / found).is_file()


def test_invalid_toml_names_the_file(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.goldi\n")
    with pytest.raises(SettingsError, match=r"pyproject\.toml is not valid TOML: .*Correct that line"):
        settings.load(project, {})


def test_a_file_that_is_not_utf_8_is_told(project: Path) -> None:
    (project / "pyproject.toml").write_bytes(b'[tool.goldi]\nimage = "\xff"\n')
    with pytest.raises(SettingsError, match="not valid TOML"):
        settings.load(project, {})


def test_a_table_is_expected(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool]\ngoldi = 3\n")
    with pytest.raises(SettingsError, match=re.escape("tool.goldi is not a table. Write it as [tool.goldi].")):
        settings.load(project, {})


@pytest.mark.parametrize("text", ["tool = 3\n", "[tool.goldi]\n[project]\nname = 3\n", "project = 3\n[tool.goldi]\n"])
def test_other_peoples_tables_of_a_wrong_type_end_in_no_traceback(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(text)
    try:
        found = settings.load(project, {})
    except SettingsError:
        return
    assert found.image


def test_the_project_is_found_upward(project: Path) -> None:
    inner = project / "a" / "b"
    inner.mkdir(parents=True)
    assert settings.find_project(inner) == project
    assert settings.find_project(project) == project


def test_a_pyproject_with_our_table_wins_over_a_nearer_one_without(project: Path) -> None:
    app = project / "app"
    app.mkdir()
    (app / "pyproject.toml").write_text('[project]\nname = "app"\n')
    assert settings.find_project(app) == project


def test_the_nearest_of_two_with_our_table_wins(make_project: MakeProject) -> None:
    outer = make_project()
    inner = make_project(name="project/inner")
    assert settings.find_project(inner) == inner
    assert settings.find_project(inner.parent) == outer


def test_without_our_table_the_nearest_pyproject_is_the_project(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "pyproject.toml").touch()
    (inner / "pyproject.toml").touch()
    assert settings.find_project(inner) == inner


def test_no_project(tmp_path: Path) -> None:
    with pytest.raises(NotAProject, match=re.escape(f"no pyproject.toml in {tmp_path} or above it. Change to")):
        settings.find_project(tmp_path)


def test_a_project_without_a_bake_file_is_told_what_to_do(project: Path) -> None:
    found = settings.load(project, {})
    assert found.bake_file == project / "infrastructure/docker/docker-bake.json"
    found.bake_file.unlink()
    with pytest.raises(NotAProject, match=re.escape("docker-bake.json. Change to a project that has one")):
        _ = found.bake_file


def test_outside_a_project_the_environment_counts(tmp_path: Path) -> None:
    assert settings.outside({"GOLDI_CACHE_ROOT": str(tmp_path)}).cache_root == tmp_path
    assert settings.outside({}).cache_root == Path("/tmp")
    with pytest.raises(SettingsError):
        settings.outside({"GOLDI_CACHE_ROOT": "relative"})


@pytest.mark.parametrize(
    "line",
    [
        'builder.options = { replicas = 2, requests.cpu = "100m", rootless = true, nodeselector = "a=b,c=d" }',
        """builder.options = 'requests.cpu=100m,replicas=2,rootless=true,"nodeselector=a=b,c=d"'""",
        """builder.options = ["requests.cpu=100m", "replicas=2", "rootless=true", '"nodeselector=a=b,c=d"']""",
    ],
)
def test_options_are_a_table_or_what_buildx_takes(make_project: MakeProject, line: str) -> None:
    expected = (("nodeselector", "a=b,c=d"), ("replicas", "2"), ("requests.cpu", "100m"), ("rootless", "true"))
    assert settings.load(make_project(line), {}).builder_options == expected


def test_a_path_that_is_not_utf_8_is_a_sentence(tmp_path: Path) -> None:
    project = tmp_path / os.fsdecode(b"odd\xff")
    project.mkdir()
    (project / "pyproject.toml").write_text("[tool.goldi]\n")
    with pytest.raises(SettingsError, match=r"odd\\udcff is not UTF-8, which Docker requires"):
        settings.load(project, {})

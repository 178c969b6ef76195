"""infrastructure/docker/setup-cache.sh against the table, under every POSIX shell that is here."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from goldi_tasks import settings as project_settings
from goldi_tasks.cache import cache_directories
from goldi_tasks.compose import host_setup
from goldi_tasks.errors import CacheRefused
from goldi_tasks.paths import BY_NAME, CACHES, DEFAULT_ROOT, TAG_FILE, TAG_TEXT, Roots, project_key
from goldi_tasks.settings.default_root import OWN, choose
from goldi_tasks.settings.image_names import BUILT
from tests.conftest import REPO
from tests.recording import CLASSIC, INFO, Recording

pytestmark = pytest.mark.contract

PROGRAMS = (
    "id",
    "mkdir",
    "chmod",
    "chown",
    "ls",
    "stat",
    "rm",
    "dirname",
    "sed",
    "tr",
    "cut",
    "sha256sum",
    "sort",
    "mv",
)
ENV = Path("infrastructure/docker/.env")
SCRIPT = "infrastructure/docker/setup-cache.sh"
# One name for each program: sh is dash or bash on most systems.
SHELLS = list(
    {Path(found).resolve(): name for name in ("bash", "dash", "sh") if (found := shutil.which(name))}.values()
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache, ü"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH with the programs that POSIX has and no docker."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).symlink_to(shutil.which(name) or "")
    return folder


@pytest.fixture(autouse=True)
def project(make_project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the script, whose path has to be quoted; its name is no cache directory's."""
    project = make_project('app = "the app"', name="the Proß's $project.")
    (project / "the app/frontend").mkdir(parents=True)
    (project / "the app/frontend/package.json").touch()
    shutil.copy(REPO / SCRIPT, project / SCRIPT)
    monkeypatch.chdir(project)
    monkeypatch.setenv("XDG_STATE_HOME", str(project.parent / "state"))
    return project


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    return [shutil.which(request.param) or ""]


def run(
    shell: list[str], root: Path | str, *folders: Path, env: dict[str, str] | None = None, options: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[str]":
    environ = {"PATH": ":".join(map(str, folders)), "GOLDI_CACHE_ROOT": str(root), "LANG": "C.UTF-8", **(env or {})}
    environ = {"GOLDI_APP": "the app"} | {name: value for name, value in environ.items() if value}
    return subprocess.run([*shell, SCRIPT, *options], env=environ, capture_output=True, text=True, check=False)


def seen(root: Path) -> dict[str, tuple[int, int, int]]:
    """Mode and owner of everything below the root."""
    found = [root, *root.rglob("*")]
    return {
        str(path.relative_to(root)): (path.lstat().st_mode, path.lstat().st_uid, path.lstat().st_gid) for path in found
    }


def test_it_makes_what_the_table_says(shell: list[str], root: Path, path: Path) -> None:
    done = run(shell, root, path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"cache directories are ready in {root}\n")
    assert {entry.name for entry in root.iterdir()} == set(BY_NAME)
    for cache in CACHES:
        assert (root / cache.name).stat().st_mode & 0o7777 == 0o700
        assert (root / cache.name / TAG_FILE).read_text() == TAG_TEXT
        assert cache_directories.has_cache_tag(root / cache.name)


def test_it_leaves_what_python_leaves(root: Path, path: Path, tmp_path: Path) -> None:
    run(["/bin/sh"], root, path)
    cache_directories.set_up(Roots(tmp_path / "python"))
    host_setup.plan(project_settings.load(Path.cwd(), {"GOLDI_CACHE_ROOT": str(tmp_path / "python")}))()
    theirs, ours = seen(root), seen(tmp_path / "python")
    directories = {name for name in ours if not name.endswith(TAG_FILE)}
    assert theirs.keys() == ours.keys()
    assert {name: theirs[name] for name in directories} == {name: ours[name] for name in directories}


FAST = ("pip-cache", "mypy-cache", ".buildx-cache-tools")


@pytest.fixture
def fast(tmp_path: Path) -> dict[str, str]:
    """Variables that give some caches another root."""
    return {BY_NAME[name].root_variable: str(tmp_path / "fast, ü") for name in FAST}


def test_a_cache_may_have_a_root_of_its_own(
    shell: list[str], root: Path, path: Path, tmp_path: Path, fast: dict[str, str]
) -> None:
    there = tmp_path / "fast, ü"
    done = run(shell, root, path, env=fast)
    where = ", ".join(f"{cache.name} in {there}" for cache in CACHES if cache.name in FAST)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"cache directories are ready in {root}, {where}\n")
    assert {entry.name for entry in there.iterdir()} == set(FAST)
    assert {entry.name for entry in root.iterdir()} == BY_NAME.keys() - set(FAST)
    assert all(cache_directories.has_cache_tag(there / name) for name in FAST)
    written, before = ENV.read_text(), (seen(root), seen(there))
    # .env keeps them; Python, told the same, changes nothing.
    assert run(shell, "", path).returncode == 0
    ours = project_settings.load(Path.cwd(), {"GOLDI_CACHE_ROOT": str(root), **fast})
    cache_directories.set_up(ours.roots)
    host_setup.plan(ours)()
    assert set(written.splitlines()) <= set(ENV.read_text().splitlines())
    assert (seen(root), seen(there)) == before
    # What is not set any more leaves .env.
    host_setup.plan(project_settings.load(Path.cwd(), {"GOLDI_CACHE_ROOT": str(root)}))()
    assert "fast" not in ENV.read_text()
    run(shell, root, path, env=fast)
    run(shell, root, path, env=dict.fromkeys(fast, str(root)))
    assert "fast" not in ENV.read_text()


def test_each_root_is_looked_at(shell: list[str], root: Path, path: Path, tmp_path: Path) -> None:
    for name in FAST:
        variable = BY_NAME[name].root_variable
        assert f"{variable} must be an absolute path, not 'fast'" in refused(
            run(shell, root, path, env={variable: "fast"})
        )
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    said = refused(run(shell, root, path, env={BY_NAME["uv-cache"].root_variable: str(tmp_path / "open/fast")}))
    assert f"others may write to {tmp_path / 'open'}. Run chmod go-w" in said


def test_again_nothing_changes_and_each_accepts_the_others_work(shell: list[str], root: Path, path: Path) -> None:
    run(shell, root, path)
    (root / "pip-cache" / "wheel").touch()
    before = seen(root)
    ours = project_settings.load(Path.cwd(), {"GOLDI_CACHE_ROOT": str(root)})
    host_setup.plan(ours)()
    # The directory too: a build that somebody has put a file beside its own into does not count as settled.
    written = ENV.stat().st_mtime_ns, ENV.parent.stat().st_mtime_ns, ENV.read_text()
    assert run(shell, root, path).returncode == 0
    cache_directories.set_up(Roots(root))
    host_setup.plan(ours)()
    assert seen(root) == before
    assert (ENV.stat().st_mtime_ns, ENV.parent.stat().st_mtime_ns, ENV.read_text()) == written


def test_what_it_writes_for_compose(shell: list[str], root: Path, path: Path, project: Path) -> None:
    ENV.write_text("PYTHON_IMAGE=localhost/python\nGOLDI_UID=77\n")
    run(shell, root, path)
    read = (*shell, "-c", f'. ./{ENV}; printf "%s\\n" "$GOLDI_CACHE_ROOT" "$GOLDI_PROJECT" "$GOLDI_PROJECT_KEY"')
    said = subprocess.run(read, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == [str(root), str(project), project_key(project)]
    assert ENV.read_text().splitlines()[0] == "PYTHON_IMAGE=localhost/python"
    assert ENV.read_text().count("GOLDI_UID=") == 1
    assert (root / "mypy-cache" / project_key(project)).is_dir()
    assert (project / "the app/frontend/node_modules").is_dir()
    # The next one finds there what the first was told.
    assert run(shell, "", path).stdout.startswith(f"cache directories are ready in {root}\n")


def test_containers_that_hold_what_was_removed_start_again(
    root: Path, path: Path, project: Path, recording: Recording
) -> None:
    recording.answer("ps --quiet", stdout="dev\n")
    recording.answer("ps --filter", stdout=f"one {project}\ntwo {project}/infrastructure/docker\nthree /another one\n")
    done = run(["/bin/sh"], root, recording.folder, path)
    assert "save your work, then run 'docker restart dev'" in done.stdout
    assert "the stack of /another one still has removed directories: set up its caches there" in done.stdout
    form = '{{.ID}} {{.Label "com.docker.compose.project.working_dir"}}'
    assert recording.calls[:3] == [
        ["ps", "--filter", f"label=goldi.caches={root}", "--format", form],
        ["stop", "one", "two"],
        ["start", "one", "two"],
    ]
    count = len(recording.calls)
    run(["/bin/sh"], root, recording.folder, path)
    assert not [argv for argv in recording.calls[count:] if argv[0] in {"ps", "stop", "start"}]
    run(["/bin/sh"], root / "other", recording.folder, path, options=("--directories",))
    assert len([argv for argv in recording.calls if argv[0] == "ps"]) == 2
    # As in a new checkout: the other one has lost nothing.
    shutil.rmtree(root / "mypy-cache" / project_key(project))
    shutil.rmtree(root / ".buildx-cache-tools")
    done = run(["/bin/sh"], root, recording.folder, path)
    assert "were started again" in done.stdout
    assert "the stack of" not in done.stdout


def test_after_the_guides_rm_what_is_gone_comes_back(shell: list[str], root: Path, path: Path) -> None:
    run(shell, root, path)
    before = seen(root)
    gone = [*root.glob(".buildx-cache-*"), *root.glob("goldilocks-*"), root / "pip-cache", root / "npm-cache"]
    assert len(gone) == 10
    assert ENV.is_file()
    for folder in gone:
        shutil.rmtree(folder)
    assert run(shell, root, path).returncode == 0
    assert seen(root) == before


def refused(done: "subprocess.CompletedProcess[str]") -> str:
    """The one line that says what is refused, and what to do."""
    assert done.returncode == 13
    (line,) = done.stderr.splitlines()
    assert line.startswith("setup-cache: ")
    return line


def test_a_link_is_refused(shell: list[str], root: Path, path: Path, tmp_path: Path) -> None:
    root.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (root / "pip-cache").symlink_to(tmp_path / "elsewhere")
    assert "pip-cache is a symbolic link. Remove it, or choose another root" in refused(run(shell, root, path))
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o1777])
def test_a_directory_that_others_may_write_to_is_refused(shell: list[str], root: Path, path: Path, mode: int) -> None:
    (root / "npm-cache").mkdir(parents=True)
    (root / "npm-cache").chmod(mode)
    assert "others may write to" in refused(run(shell, root, path))
    assert (root / "npm-cache").stat().st_mode & 0o7777 == mode


def test_a_file_in_the_place_is_refused(shell: list[str], root: Path, path: Path) -> None:
    root.mkdir()
    (root / "uv-cache").touch()
    assert "uv-cache is not a directory" in refused(run(shell, root, path))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a directory of somebody else's")
def test_a_directory_of_somebody_else_is_refused(shell: list[str], root: Path, path: Path) -> None:
    (root / "uv-cache").mkdir(parents=True)
    os.chown(root / "uv-cache", 4242, 4242)
    assert "belongs to user 4242" in refused(run(shell, root, path))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can hand a directory over")
def test_under_sudo_the_directories_are_the_callers(shell: list[str], root: Path, path: Path) -> None:
    sudo = {"SUDO_UID": "4242", "SUDO_GID": "4243"}
    for _ in range(2):
        done = run(shell, root, path, env=sudo)
        assert (done.returncode, done.stderr) == (0, "")
    assert all((uid, gid) == (4242, 4243) for _, uid, gid in seen(root).values())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can hand a directory over")
@pytest.mark.parametrize(("options", "number"), [(["name=seccomp"], 4242), (["name=seccomp", "name=rootless"], 0)])
def test_compose_is_told_who_the_caller_is_inside(
    shell: list[str],
    root: Path,
    path: Path,
    recording: Recording,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    number: int,
) -> None:
    sudo = {"SUDO_UID": "4242", "SUDO_GID": "4242", "DOCKER_HOST": "unix:///no/such/docker.sock"}
    # What the script asks, and what the command asks.
    recording.answer("info --format {{.SecurityOptions}}", stdout=f"[{' '.join(options)}]\n")
    recording.answer("info", stdout=json.dumps(INFO | {"SecurityOptions": options}))
    run(shell, root, recording.folder, path, env=sudo)
    assert {f"GOLDI_UID={number}", f"GOLDI_GID={number}"} <= set(ENV.read_text().splitlines())
    ENV.unlink()
    for name, value in {**sudo, "PATH": f"{recording.folder}:{os.environ['PATH']}"}.items():
        monkeypatch.setenv(name, value)
    host_setup.plan(project_settings.load(Path.cwd(), {"GOLDI_CACHE_ROOT": str(root)}))()
    assert {f"GOLDI_UID={number}", f"GOLDI_GID={number}"} <= set(ENV.read_text().splitlines())


def test_what_was_there_before_is_not_marked(shell: list[str], root: Path, path: Path) -> None:
    (root / "goldilocks-venv").mkdir(parents=True, mode=0o700)
    (root / "goldilocks-venv" / "precious").touch()
    assert run(shell, root, path).returncode == 0
    assert not cache_directories.has_cache_tag(root / "goldilocks-venv")


def test_the_root_may_be_a_link_and_must_be_absolute(shell: list[str], path: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert run(shell, tmp_path / "link", path).returncode == 0
    assert cache_directories.has_cache_tag(tmp_path / "real" / "pip-cache")
    assert "must be an absolute path, not 'caches'" in refused(run(shell, "caches", path))


def test_no_docker_is_told_and_no_failure(shell: list[str], root: Path, path: Path) -> None:
    done = run(shell, root, path)
    assert done.returncode == 0
    assert "docker has no buildx here: install docker-buildx" in done.stdout


CURRENT = (
    "Name:   goldilocks-builder\nDriver: docker-container\n\nNodes:\nName: goldilocks-builder0\nStatus: inactive\n"
)
NOT_PULLED = (
    'Error response from daemon: failed to resolve reference "docker.io/moby/buildkit:buildx-stable-1": failed to do '
    'request: Head "https://registry-1.docker.io/v2/x": dial tcp: lookup docker.io on 1.2.3.4:53: no such host'
)
DEAD = (
    "the builder goldilocks-builder cannot be started: moby/buildkit:buildx-stable-1 cannot be pulled, no such host. "
    "Run './goldi build.builder --reset', or 'docker buildx rm goldilocks-builder'"
)


@pytest.mark.parametrize(
    ("answers", "said", "created"),
    [
        ({"buildx inspect": 1}, "Docker is ready: the engine keeps the build caches", False),
        ({"current": 0}, "Docker is ready: goldilocks-builder keeps the build caches", False),
        ({"current": 1}, DEAD, False),
        ({"classic": 0}, "Docker is ready: goldilocks-builder keeps the build caches", False),
        ({}, "Docker is ready: the engine keeps the build caches", False),
        ({"info": 1}, "no Docker engine answers", False),
        ({"buildx inspect": 1, "classic": 0}, "Docker is ready: created goldilocks-builder", True),
        ({"buildx inspect": 1, "classic": 0, "buildx create": 1}, "could not be created: enable the containerd", True),
    ],
    ids=[
        *("containerd", "builder chosen", "builder dead", "classic and builder", "builder not needed", "no engine"),
        *("classic", "classic without a registry"),
    ],
)
def test_what_it_says_of_docker(
    root: Path, path: Path, recording: Recording, answers: dict[str, int], said: str, created: bool
) -> None:
    status = CLASSIC["DriverStatus"] if "classic" in answers else [["driver-type", "io.containerd.snapshotter.v1"]]
    recording.answer("info", stdout=json.dumps(status), code=answers.get("info", 0))
    inspected = CURRENT if "current" in answers else ""
    for asked in ("buildx inspect", "buildx create"):
        recording.answer(asked, stdout=inspected, code=answers.get(asked, 0))
    booted = f"#1 pulling\nERROR: {NOT_PULLED}\n" if answers.get("current") else ""
    recording.answer("buildx inspect --bootstrap", stdout=inspected, stderr=booted, code=answers.get("current", 0))
    done = run(["/bin/sh"], root, recording.folder, path)
    assert (done.returncode, done.stderr) == (0, "")
    assert said in done.stdout.splitlines()[-1]
    assert any(argv[:2] == ["buildx", "create"] for argv in recording.calls) is created


@pytest.fixture
def places(tmp_path: Path, project: Path) -> tuple[Path, Path]:
    """What stands for /tmp and for /var/tmp, in the script too."""
    for name in ("tmp", "var"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o1777)
    script = project / SCRIPT
    text = script.read_text()
    named = [line for line in text.splitlines() if "/tmp" in line and not line.lstrip().startswith("#")]
    assert named == [f"usual={DEFAULT_ROOT} own={OWN}"]
    script.write_text(text.replace("usual=/tmp own=/var/tmp\n", f"usual='{tmp_path}/tmp' own='{tmp_path}/var'\n"))
    return tmp_path / "tmp", tmp_path / "var"


def foreign(path: Path) -> None:
    path.mkdir()
    os.chown(path, 4242, 4242)


TAKEN: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "ours": lambda path: path.mkdir(mode=0o700),
    "link": lambda path: path.symlink_to("nowhere"),
    "file": lambda path: path.touch(),
    "foreign": foreign,
}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a directory of somebody else's")
@pytest.mark.parametrize("name", ["ruff-cache", ".buildx-cache-builder"])
@pytest.mark.parametrize("mine", TAKEN)
@pytest.mark.parametrize("taken", TAKEN)
def test_the_default_root_is_pythons(places: tuple[Path, Path], path: Path, taken: str, mine: str, name: str) -> None:
    TAKEN[taken](places[0] / name)
    TAKEN[mine](places[1] / "goldi-0")
    try:
        root, moved = choose(*places)
        problem = ""
    except CacheRefused as error:
        root, moved, problem = Path(), "", str(error)
    done = run(["/bin/sh"], "", path)
    if problem:
        assert refused(done) == f"setup-cache: {problem}"
        return
    assert done.stderr == (f"goldi: {moved}\n" if moved else "")
    assert done.stdout.startswith(f"cache directories are ready in {root}\n")
    assert f"GOLDI_CACHE_ROOT={root}\n" in ENV.read_text()
    # Told once; and what .env says of it is no choice.
    again = run(["/bin/sh"], "", path)
    assert (again.stdout, again.stderr) == (done.stdout, "")
    assert choose(*places) == (root, "")


@pytest.mark.parametrize("mode", [0o1777, 0o777, 0o770, 0o755])
@pytest.mark.parametrize("owner", [0, 4242])
@pytest.mark.parametrize("group", [0, 4242])
@pytest.mark.parametrize("below", ["", "new/root"])
@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a directory of somebody else's")
def test_what_it_refuses_python_refuses(
    path: Path, tmp_path: Path, mode: int, owner: int, group: int, below: str
) -> None:
    place = tmp_path / "place, ü"
    place.mkdir()
    place.chmod(mode)
    os.chown(place, owner, group)
    try:
        cache_directories.set_up(Roots(place / below))
        problem = ""
    except CacheRefused as error:
        problem = str(error).replace("`", "")
    done = run(["/bin/sh"], place / below, path)
    assert (refused(done) if done.returncode else "").removeprefix("setup-cache: ") == problem
    assert bool(problem) is (owner != 0 or mode in (0o777, 0o770))


@pytest.mark.parametrize("loose", ["infrastructure/docker", str(ENV)])
def test_env_of_others_is_not_run(shell: list[str], root: Path, path: Path, project: Path, loose: str) -> None:
    ENV.write_text("touch trojan\n")
    (project / loose).chmod(0o777)
    assert f"others may write to {project / loose}. Run chmod go-w" in refused(run(shell, root, path))
    assert not (project / "trojan").exists()


MADE = {"PYTHON_IMAGE": "localhost/goldi/python:3.13-trixie", "NODE_IMAGE": "localhost/goldi/node:20-trixie"}


@pytest.mark.parametrize("option", ["", "--images"])
def test_without_a_registry_the_images_that_are_here_are_named(
    shell: list[str], root: Path, path: Path, recording: Recording, project: Path, option: str
) -> None:
    for asked in ("image inspect", "buildx imagetools", "pull"):
        recording.answer(asked, code=1)
    for name in MADE.values():
        recording.answer(f"image inspect {name}")
    done = run(shell, root, recording.folder, path, options=(option,) if option else ())
    assert f"no registry answers: {project}/{ENV} names {' '.join(MADE.values())}\n" in done.stdout
    lines = set(ENV.read_text().splitlines())
    assert {f"{name}={value}" for name, value in {**MADE, **BUILT}.items()} <= lines
    # They stay, and nobody asks again.
    count = len(recording.calls)
    assert "no registry answers" not in run(shell, root, recording.folder, path).stdout
    assert not [argv for argv in recording.calls[count:] if argv[0] in ("image", "pull")]


@pytest.mark.parametrize("answers", [{}, {"image inspect": 1}, {"image inspect": 1, "pull": 1}])
def test_with_a_registry_the_official_ones_stay(
    root: Path, path: Path, recording: Recording, answers: dict[str, int]
) -> None:
    for asked, code in answers.items():
        recording.answer(asked, code=code)
    for name in MADE.values():
        recording.answer(f"image inspect {name}")
    run(["/bin/sh"], root, recording.folder, path)
    assert "localhost" not in ENV.read_text()


def test_the_builder_gets_the_rules_beside_the_script(root: Path, path: Path, recording: Recording) -> None:
    recording.answer("info", stdout=json.dumps(CLASSIC["DriverStatus"]))
    recording.answer("buildx inspect", code=1)
    config = Path("infrastructure/docker/buildkitd.toml").absolute()
    config.touch()
    run(["/bin/sh"], root, recording.folder, path)
    assert recording.calls[-1][-3:] == ["--bootstrap", "--buildkitd-config", str(config)]


def test_the_dev_container_finds_each_cache_under_its_root(
    root: Path, project: Path, tmp_path: Path, fast: dict[str, str]
) -> None:
    shutil.copytree(REPO / ".devcontainer", project / ".devcontainer", ignore=shutil.ignore_patterns(".local"))
    environ = {"GOLDI_APP": "the app", "GOLDI_CACHE_ROOT": str(root), "PATH": os.environ["PATH"], **fast}
    script, told = project / ".devcontainer/initialize.sh", {**environ, "GOLDI_INITIALIZE": "early"}
    subprocess.run([script], env=told, check=True, capture_output=True)
    assert (project / ".devcontainer/.local").stat().st_mode & 0o077 == 0, "it will hold logins"
    found = project_settings.load(Path.cwd(), environ)
    for cache in (cache for cache in CACHES if cache.mount is not None):
        link = project / ".devcontainer/.local" / cache.name
        assert link.readlink() == found.roots.path(cache, found.key)
    # Again nothing is touched that a build looks at.
    before = changes(project)
    assert project / "infrastructure/docker" in before
    subprocess.run([script], env=told, check=True, capture_output=True)
    assert changes(project) == before


def changes(project: Path) -> dict[Path, int]:
    """When what lies in the project was changed, without the dev container's own directory."""
    found = [project, *(path for path in project.rglob("*") if ".local" not in path.parts)]
    return {path: path.stat().st_mtime_ns for path in found if path.exists()}


@pytest.mark.parametrize(
    ("front", "app", "target"),
    [
        ("the app", "the app", "the app/frontend/node_modules"),
        (".", "", "frontend/node_modules"),
        (".", ".", "frontend/node_modules"),
        ("examples/goldilocks", "", "examples/goldilocks/frontend/node_modules"),
        ("", "the app", ""),
        ("", "", ""),
    ],
)
def test_nothing_is_mounted_into_a_project_without_a_front_end(
    root: Path, project: Path, front: str, app: str, target: str
) -> None:
    """The engine makes a mount point that is missing, in the project, as root."""
    shutil.rmtree(project / "the app")
    (project / "the app").mkdir()
    if front:
        (project / front / "frontend").mkdir(parents=True)
        (project / front / "frontend/package.json").touch()
    shutil.copytree(REPO / ".devcontainer", project / ".devcontainer", ignore=shutil.ignore_patterns(".local"))
    before = {path for path in project.rglob("*") if path.is_dir()}
    told = {"GOLDI_APP": app, "GOLDI_CACHE_ROOT": str(root), "PATH": os.environ["PATH"], "GOLDI_INITIALIZE": "early"}
    subprocess.run([project / ".devcontainer/initialize.sh"], env=told, check=True, capture_output=True)
    leads = (project / ".devcontainer/.local/node_modules").readlink()
    assert leads == (project / target if target else Path("/cache/node-modules"))
    made = {path for path in project.rglob("*") if path.is_dir()} - before
    own = {path for path in made if ".local" in path.parts} | {project / ".venv"}
    assert made - own == ({project / target} if target else set())

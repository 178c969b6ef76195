"""Many starts at once: directories, links and files that we make for somebody appear at one instant, as they stay.

`python -m tests.starts` (`nox -s long-starts`), as root for all kinds of callers; as another user for that one alone.
In each round a new project and an empty cache root are set up by eight starts at once: threads and processes of
Python, `goldi cache.setup`, setup-cache.sh and initialize.sh. Meanwhile all that appears is looked at.
"""

import argparse
import codecs
import importlib
import os
import pkgutil
import re
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import goldi_tasks
from goldi_tasks import cli, envfile, state
from goldi_tasks import settings as project_settings
from goldi_tasks.cache import cache_directories, last_use, usage_lock
from goldi_tasks.compose import host_setup
from goldi_tasks.paths import CACHES, TAG_FILE, TAG_TEXT, project_key

REPO = Path(__file__).resolve().parent.parent
# Neither this machine's root nor a user of its own.
UID, GID = 4242, 4243
Owner = tuple[int, int]
# Names of drafts, which nobody takes for anything, and of the file by which cache.setup measures a file system.
_DRAFT = re.compile(r"\.goldi-.*|\.new-\d+|\..*-\w{8}|\.(CACHEDIR\.TAG|env)[-.]\d+|goldi-probe-.*")


@dataclass(frozen=True)
class Caller:
    """Who starts: the user that a process is of, and in which of the starts root works for that user."""

    name: str
    owner: Owner
    sudo: Callable[[int], bool]

    def env(self, number: int) -> dict[str, str]:
        """What sudo says in the environment of the start `number`."""
        uid, gid = self.owner
        return {"SUDO_UID": str(uid), "SUDO_GID": str(gid)} if self.sudo(number) else {}

    def become(self, number: int) -> None:
        """Give up root's rights in this process, unless root works for the user."""
        if self.owner != (os.getuid(), os.getgid()) and not self.sudo(number):
            os.setgroups([])
            os.setgid(self.owner[1])
            os.setuid(self.owner[0])


def callers() -> dict[str, Caller]:
    """Those that this process can be."""
    if os.getuid():
        return {"user": Caller("user", (os.getuid(), os.getgid()), lambda _: False)}
    return {
        "root": Caller("root", (0, 0), lambda _: False),
        "sudo": Caller("sudo", (UID, GID), lambda _: True),
        "user": Caller("user", (UID, GID), lambda _: False),
        "both": Caller("both", (UID, GID), lambda number: number % 2 == 0),
    }


@dataclass
class Scene:
    """A new project, with the directories beside it that belong to the same user."""

    base: Path
    owner: Owner
    wrong: list[str] = field(default_factory=list)

    @property
    def project(self) -> Path:
        return self.base / "project"

    @property
    def caches(self) -> Path:
        return self.base / "deep" / "caches"

    def make(self) -> None:
        """Copy what a start needs into it."""
        docker = self.project / "infrastructure/docker"
        docker.mkdir(parents=True)
        for name in ("docker-bake.json", "setup-cache.sh"):
            shutil.copy(REPO / "infrastructure/docker" / name, docker)
        shutil.copytree(REPO / ".devcontainer", self.project / ".devcontainer", ignore=lambda *_: [".local"])
        (self.project / "app/frontend").mkdir(parents=True)
        (self.project / "app/frontend/package.json").write_text("{}")
        (self.project / "pyproject.toml").write_text('[project]\nname = "starts"\n[tool.goldi]\napp = "app"\n')
        for path in (self.base, *self.base.rglob("*")):
            os.chown(path, *self.owner)

    def environ(self) -> dict[str, str]:
        """The environment of a start."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.base),
            "XDG_STATE_HOME": str(self.base / "state"),
            "GOLDI_CACHE_ROOT": str(self.caches),
            "GOLDI_APP": "app",
            "GOLDI_INITIALIZE": "early",
            # No engine has a say in it.
            "DOCKER_HOST": f"unix://{self.base}/no.sock",
        }

    def look(self) -> None:
        """Note what is there and is not as it has to be."""
        for path in _walk(self.base):
            if not _is_draft(path.relative_to(self.base)):
                self._look(path)

    def _look(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            found = path.lstat()
            if (found.st_uid, found.st_gid) != self.owner:
                self._say(f"{path.relative_to(self.base)} belongs to {found.st_uid}:{found.st_gid}")
            if path.parent == self.caches and found.st_mode & 0o7777 != 0o700:
                self._say(f"{path.name} has the mode {found.st_mode:o}")
            if path.parent == self.caches and not (path / TAG_FILE).is_file():
                self._say(f"{path.name} has no tag")
            if path.name == TAG_FILE and (text := path.read_text()) != TAG_TEXT:
                self._say(f"{path.relative_to(self.base)} says {text!r}")

    def _say(self, sentence: str) -> None:
        if sentence not in self.wrong:
            self.wrong.append(sentence)

    def leftovers(self) -> Iterator[str]:
        """What must not be there at the end, and what is missing."""
        for path in _walk(self.base):
            if _is_draft(path.relative_to(self.base)):
                yield f"{path.relative_to(self.base)} was left"
        local = self.project / ".devcontainer/.local"
        for path in (*(self.caches / cache.name for cache in CACHES), local / "git-config", local / "venv/bin"):
            if not os.path.lexists(path):
                yield f"{path.relative_to(self.base)} is missing"
        text = (self.project / "infrastructure/docker/.env").read_text()
        if text.count("STARTED_") != 3 or text.count("GOLDI_CACHE_ROOT=") != 1:
            yield f".env says {text!r}"

    def shape(self) -> set[str]:
        """Every path that there is."""
        key = project_key(self.project)
        return {str(path.relative_to(self.base)).replace(key, "KEY") for path in _walk(self.base)}


def _walk(top: Path) -> Iterator[Path]:
    """Everything below `top`, which others change meanwhile."""
    with suppress(OSError), os.scandir(top) as entries:
        for entry in entries:
            yield Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path))


def _is_draft(path: Path) -> bool:
    """Whether it, or what it lies in, has not got its name yet."""
    return any(_DRAFT.fullmatch(part) for part in path.parts)


def start_in_python(scene: Scene) -> None:
    """Do what each build, check and stack does first. Raises what it raises."""
    settings = project_settings.load(scene.project)
    last_use.record_project_path(settings.key, settings.project)
    with usage_lock.hold_shared_lock():
        cache_directories.set_up(settings.roots)
        host_setup.plan(settings)()
        for cache in CACHES:
            if cache.scope == "project":
                cache_directories.ensure(settings.roots, settings.roots.folder(cache) / settings.key / "native")
    envfile.write(settings.env_file, {f"STARTED_{threading.get_native_id()}": "yes"})
    state.write(state.folder("checks", settings.key) / "file", "whole\n")


def start_goldi(_: Scene) -> None:
    """Run the command `goldi cache.setup`. Raises SystemExit."""
    sys.argv = ["goldi", "cache.setup"]
    cli.main()


def _in_threads(scene: Scene) -> None:
    """Two starts in two threads of one process."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            start_in_python(scene)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for failure in failures:
        raise failure


# In a process of this Python, or a program.
Start = Callable[[Scene], None] | tuple[str, ...]
# Eight: a process of two threads stands for two.
STARTS: tuple[Start, ...] = (
    ("infrastructure/docker/setup-cache.sh", "--directories"),
    start_in_python,
    (".devcontainer/initialize.sh",),
    _in_threads,
    ("infrastructure/docker/setup-cache.sh", "--directories"),
    (".devcontainer/initialize.sh",),
    start_goldi,
)


def round_of(caller: Caller, top: Path, starts: Sequence[Start]) -> Scene:
    """Begin all `starts` at one instant in a new project below `top`; what came of it."""
    base = Path(tempfile.mkdtemp(dir=top))
    scene = Scene(base, caller.owner)
    scene.make()
    gate, opened = os.pipe()
    children, outputs = dict[int, int](), list[Path]()
    for number, start in enumerate(starts):
        environ = scene.environ() | caller.env(number)
        outputs.append(base.with_name(f"{base.name}.{number}"))
        outputs[-1].touch()
        if not (pid := os.fork()):
            _begin(scene, start, environ, caller, number, (gate, opened), outputs[-1])
        children[pid] = number
    os.close(gate)
    os.close(opened)
    while children:
        scene.look()
        time.sleep(0.001)
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            number = children.pop(pid)
            said = outputs[number].read_text().strip()
            if status or "Traceback" in said:
                scene.wrong.append(f"start {number} ended with {os.waitstatus_to_exitcode(status)}: {said[-600:]}")
    scene.look()
    for output in outputs:
        output.unlink()
    return scene


def _begin(
    scene: Scene,
    start: Start,
    environ: Mapping[str, str],
    caller: Caller,
    number: int,
    gate: tuple[int, int],
    output: Path,
) -> NoReturn:
    """Wait in a child until the gate is opened, and be the start `number`."""
    code = 1
    try:
        os.close(gate[1])
        handle = os.open(output, os.O_WRONLY | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(handle, stream)
        caller.become(number)
        os.chdir(scene.project)
        os.environ.clear()
        os.environ.update(environ)
        os.read(gate[0], 1)
        if isinstance(start, tuple):
            os.execvp(start[0], start)  # noqa: S606 - a program of ours, without a shell
        start(scene)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def play(caller: Caller, rounds: int, top: Path) -> tuple[Counter[str], float]:
    """Run `rounds` for `caller` below `top`; what was wrong, how often, and the seconds."""
    # Another user may not be able to read what a start imports.
    for module in pkgutil.walk_packages(goldi_tasks.__path__, "goldi_tasks."):
        if not module.name.endswith((".agent", "__main__")):
            importlib.import_module(module.name)
    codecs.lookup("unicode_escape")
    wrong, began, usual = Counter[str](), time.monotonic(), set[str]()
    for _ in range(rounds):
        scene = round_of(caller, top, STARTS)
        wrong.update([*scene.wrong, *scene.leftovers()])
        usual = usual or scene.shape()
        wrong.update(f"{name} is in one round and not in another" for name in usual ^ scene.shape())
        shutil.rmtree(scene.base)
    return wrong, time.monotonic() - began


def main(arguments: Sequence[str]) -> int:
    """Run it, and print what was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.starts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--caller", choices=tuple(callers()), action="append")
    asked, code = parser.parse_args(arguments), 0
    with tempfile.TemporaryDirectory(prefix="goldi-starts-") as name:
        top = Path(name)
        top.chmod(0o755)
        for caller in (one for one in callers().values() if one.name in (asked.caller or callers())):
            wrong, seconds = play(caller, asked.rounds, top)
            print(f"{caller.name}: {asked.rounds} rounds of 8 starts in {seconds:.0f} s, {wrong.total()} wrong")
            for sentence, count in wrong.most_common(30):
                print(f"  {count} times: {sentence}")
            code = code or bool(wrong)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""One command in the tools image: found or made ready, run, and told how it ended."""

import fcntl
import hashlib
import os
import shlex
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks import probe, run
from goldi_tasks.checks import memory, place, warm
from goldi_tasks.checks.memory import Memory
from goldi_tasks.errors import CheckLost, Interrupted, NotAProject, NotSeen, UnknownName
from goldi_tasks.plan import container
from goldi_tasks.plan import tools as plan
from goldi_tasks.plan.tools import Job, Tools
from goldi_tasks.settings import Settings

# Makes what containers mount.
Prepare = Callable[[], None]
# Builds the tools image where its inputs have changed; its id, and the files that decide it.
Image = Callable[[], tuple[str, Sequence[Path]]]


@dataclass(frozen=True)
class Doors:
    """What a check needs of other rooms: what makes the directories that are mounted, what builds the image."""

    prepare: Prepare
    image: Image


def run_in_tools(
    settings: Settings, doors: Doors, argv: Sequence[str], env: Mapping[str, str], *, patient: bool = False
) -> int:
    """Run `argv` in the tools image, in the current directory; its exit code.

    `env` is the caller's environment, of which a tool is told what concerns it. If `patient`, Ctrl-C is the
    program's own business. Raises Interrupted, UnknownName, CheckLost, NotSeen, and what a build or docker raises.
    """
    shared = place.shared(settings)
    shared.mkdir(mode=0o700, parents=True, exist_ok=True)
    told = plan.environment(env, probe.host())
    job = Job(f"{uuid.uuid4().hex}.job", tuple(argv), told, Path.cwd(), "" if patient else "6")
    for again in (False, True):
        tools = _tools(settings, doors, again)
        if not any(job.cwd.is_relative_to(tree) for tree in tools.trees):
            raise NotAProject(f"{job.cwd} is not in {tools.trees[0]}", "Change to a directory of the project")
        with _file(shared / job.file, f"# {tools.name} {shlex.join(argv)}") as (life, said):
            code = _attend(tools, job, life)
            words = said()
        if words or code == plan.BLIND:
            return _outcome(argv[0], tools, code, words, patient)
    raise CheckLost(f"{argv[0]} could not be started in the tools container", "Try `inv ci.tools --stop`")


def _tools(settings: Settings, doors: Doors, again: bool) -> Tools:
    """The container to run in, which runs if one is kept; `again` if it was just found missing."""
    known = memory.recall(settings)
    if known and not again and (tools := _made(settings, known)) and (not settings.warm or warm.alive(tools)):
        return tools
    with warm.alone(place.shared(settings)):
        return _ready(settings, doors)


def _ready(settings: Settings, doors: Doors) -> Tools:
    """The same, with nobody else at it; the image is looked at where something has changed, or where it is missing."""
    doors.prepare()
    known = memory.recall(settings)
    remembered = _made(settings, known) if known and settings.warm else None
    if remembered:
        try:
            return _started(remembered)
        except warm.NoImage:
            memory.drop(settings)
    tools = _made(settings, _find_out(settings, doors.image))
    if tools is None:
        raise CheckLost("directories of caches come and go", "Let `inv cache.clear` end first")
    try:
        return _started(tools)
    except warm.NoImage as error:
        raise CheckLost(f"the tools image is gone: {error}", "Run it again") from error


def _started(tools: Tools) -> Tools:
    if tools.settings.warm and not (warm.alive(tools) and warm.running(tools.name)):
        warm.start(tools)
    return tools


def _find_out(settings: Settings, ask: Image) -> Memory:
    from goldi_tasks.build import network  # 5 ms, for those who have something to find out

    image, inputs = ask()
    info = probe.engine_info()
    rootless = any("rootless" in option for option in info.get("SecurityOptions") or [])
    user = "" if rootless else "{0.uid}:{0.gid}".format(probe.host())
    told = hashlib.sha256(network.lines(settings).encode()).hexdigest()
    found = Memory(image, user, told, memory.decisive(settings, inputs))
    memory.keep(settings, found)
    return found


def _made(settings: Settings, known: Memory) -> Tools | None:
    """The container that the memory tells of; None if a directory is missing that it mounts."""
    caches = place.identities(_directories(settings))
    if not all(caches):
        return None
    trees = place.trees(settings.project, Path.home())
    shared = place.shared(settings)
    return Tools(settings, known.image, known.user, trees, caches, shared, known.network, place.scripts())


def _directories(settings: Settings) -> list[Path]:
    """What containers mount, and where in the project they mount it: the engine would make these, as root."""
    mounts = container.mounts(settings)
    inside = [Path(mount) for _, _, mount in mounts if Path(mount).is_relative_to(settings.project)]
    return [*(directory for _, directory, _ in mounts), *inside]


def _attend(tools: Tools, job: Job, life: int) -> int:
    host = probe.host()

    def let_go() -> None:
        fcntl.flock(life, fcntl.LOCK_UN)

    if tools.settings.warm:
        command = plan.inside(tools, host, job)
        return run.attend(command, let_go, lambda: run.capture(plan.end(tools, job)), apart=not host.tty)
    from goldi_tasks.build import network  # as above

    place.furnish(tools)
    with network.file(tools.settings) as told:
        command = plan.fresh(tools, host, told, place.git(tools.settings, tools.trees), job)
        return run.attend(command, let_go, apart=not host.tty)


def _outcome(tool: str, tools: Tools, code: int, words: list[str], patient: bool) -> int:
    """What the file of a check says of it; docker's own exit code may say something else."""
    if code == plan.BLIND and not words:
        problem = f"the engine does not see {tools.shared}: it comes up empty in containers"
        raise NotSeen(problem, "Share it with the VM that the engine runs in, or set XDG_STATE_HOME")
    if words[-1] == "unknown":
        problem = f"the tools image has no program '{tool}'"
        raise UnknownName(problem, "Lock it in requirements-dev.lock, or correct the name")
    if "interrupted" in words and not patient:
        raise Interrupted
    if not words[-1].isdigit():
        problem = f"the tools container ended while {tool} ran in it"
        raise CheckLost(problem, "Run it again; if it was short of memory, give the engine more")
    return int(words[-1])


@contextmanager
def _file(path: Path, title: str) -> Iterator[tuple[int, Callable[[], list[str]]]]:
    """The file of a check, held as long as somebody waits for it; what it says is asked for by a call."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        os.write(handle, " ".join([*title.split("\n"), "\n"]).encode(errors="surrogateescape"))
        yield handle, lambda: path.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    finally:
        os.close(handle)
        path.unlink(missing_ok=True)

"""Check the engine, the plugins of the client, and the abilities of the builder."""

from collections.abc import Iterator

from goldi_tasks.client.system_info import BUILDER, Docker
from goldi_tasks.errors import NoPermission
from goldi_tasks.maintenance.doctor.facts import Answers
from goldi_tasks.maintenance.doctor.finding import Finding

# The oldest versions that are tested.
ENGINE, BUILDX, COMPOSE = (23,), (0, 13), (2, 20)


def findings(answers: Answers) -> Iterator[Finding]:
    """Yield what is missing or too old, whether caches can be exported, and peculiarities of the engine."""
    if answers.problem:
        name = "engine-permission" if isinstance(answers.problem, NoPermission) else "engine-missing"
        yield Finding(name, "error", answers.problem.problem, answers.problem.remedy)
    for question in answers.late:
        what = f"no answer in time from {question}"
        yield Finding(
            "no-answer", "warning", what, "Run it again; if this repeats, check whether the engine is busy or hangs"
        )
    if answers.start_error:
        what = f"the builder {answers.builder} cannot be started: {answers.start_error}"
        yield Finding("builder-dead", "error", what, "Run `inv build.builder --reset`: every build fails until then")
    if answers.docker:
        yield from _versions(answers.docker, answers.compose)
        yield from _exports(answers.docker)
        yield from _allow(answers.docker, answers)
        yield from _users(answers.docker, answers)


def _versions(docker: Docker, compose: tuple[int, ...] | None) -> Iterator[Finding]:
    if docker.engine and docker.engine < ENGINE:
        yield _old("engine", docker.engine, ENGINE, "error")
    if not docker.buildx:
        yield Finding("buildx-missing", "error", "docker has no buildx plugin", "Install docker-buildx")
    elif docker.buildx < BUILDX:
        yield _old("buildx", docker.buildx, BUILDX, "error")
    if compose == ():
        what = "docker has no compose plugin: the stack and the dev container cannot start"
        yield Finding("compose-missing", "warning", what, "Install docker-compose")
    elif compose and compose < COMPOSE:
        yield _old("compose", compose, COMPOSE, "warning")


def _old(name: str, version: tuple[int, ...], oldest: tuple[int, ...], severity: str) -> Finding:
    installed, needed = (".".join(map(str, numbers)) for numbers in (version, oldest))
    what = f"{name} {installed} is too old: {needed} is the oldest tested version"
    return Finding(
        f"{name}-old", "error" if severity == "error" else "warning", what, f"Install {name} {needed} or newer"
    )


def _exports(docker: Docker) -> Iterator[Finding]:
    if docker.exports_local:
        return
    what = f"the {docker.driver} driver exports no local cache with the {docker.store} image store"
    if BUILDER in docker.builders:
        yield Finding("export-elsewhere", "note", f"{what}: builds use {BUILDER}, which does")
    else:
        remedy = "Enable the containerd image store, or create a builder that can: `inv build.builder --create`"
        yield Finding("export-inline", "warning", f"{what}: the build cache stays in the engine", remedy)


def _allow(docker: Docker, answers: Answers) -> Iterator[Finding]:
    """Yield a note about buildx versions that ask for `--allow=fs`; our tasks pass it."""
    if docker.asks_for_paths and answers.roots:
        flags = " ".join(f"--allow=fs={root.path}" for root in answers.roots)
        what = "plain `docker buildx bake` of this version asks before it writes outside the project"
        yield Finding("bake-allow", "note", what, f"Add `{flags}` to that command; goldi tasks do so")


def _users(docker: Docker, answers: Answers) -> Iterator[Finding]:
    options = " ".join(answers.info.get("SecurityOptions") or [])
    if docker.rootless:
        yield Finding("engine-rootless", "note", "the engine is rootless: root in its containers is your own user")
    elif "name=userns" in options:
        what = "the engine remaps user ids: files that containers write to mounted caches belong to unknown users"
        yield Finding("engine-userns", "warning", what, "Disable userns-remap, or use a rootless engine")
    if answers.selinux and "name=selinux" in options:
        what = "SELinux is enforcing: containers can use a mounted directory only with the label container_file_t"
        commands = " && ".join(f"sudo chcon -R -t container_file_t '{root.path}'" for root in answers.roots)
        yield Finding("selinux", "warning", what, f"Run `{commands}` once the directories exist, never on /tmp itself")

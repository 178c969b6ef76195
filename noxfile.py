"""The checks of this project, and the only list of them; `./goldi test` runs all that stand for themselves."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nox

from goldi_tasks.sessions import POSARGS, container_session

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "none"

SCRIPTS = (
    "goldi",
    ".ci/run",
    ".devcontainer/initialize.sh",
    "infrastructure/docker/setup-cache.sh",
    "infrastructure/docker/scripts/online.sh",
    "infrastructure/docker/scripts/install.sh",
    "infrastructure/docker/scripts/ship.sh",
    "infrastructure/docker/scripts/compose.sh",
    "infrastructure/docker/scripts/frontend.sh",
    "infrastructure/docker/devcontainer/start.sh",
    "infrastructure/docker/devcontainer/git.sh",
    "infrastructure/docker/scripts/postgres.sh",
    "goldi_tasks/checks/job.sh",
    "goldi_tasks/checks/guard.sh",
    "goldi_tasks/checks/run-with-env.sh",
)
LINT = (
    ("ruff", "check", POSARGS),
    ("ruff", "format", "--check"),
    ("hadolint", "infrastructure/docker/Dockerfile"),
    ("shellcheck", *SCRIPTS),
)
PURE = "not (door or contract or real)"
REAL = ("--numprocesses=2", "--dist=loadfile", "-m", "real and not by_hand")
CAMPAIGN = ("python", "-m", "tests.campaign")

# What somebody runs all day, in the tools image.
lint = container_session("lint", commands=LINT, keep_going=True, default=False, doc="Ruff, hadolint, shellcheck.")
format_ = container_session("format", "ruff", "format", default=False)
typecheck = container_session("typecheck", "mypy", default=False, doc="Mypy, strict, over the tests too.")
tests = container_session("tests", "pytest", "-m", PURE, default=False, doc="The tests that need no docker.")
precommit = container_session(
    "precommit", "pre-commit", "run", "--all-files", logins=True, default=False, doc="Every hook."
)


@nox.session
def host(session: nox.Session) -> None:
    """Ruff, hadolint and shellcheck on the host: what fails at once. `ci.check` runs every check in the tools image."""
    for line in LINT:
        session.run(*(word for word in line if word != POSARGS))


@nox.session(default=False)
def quick(session: nox.Session) -> None:
    """Run the tests that need no engine, in one or two minutes; pytest's arguments may follow."""
    which = "not real"
    buildx = ("docker", "buildx", "version")
    if not shutil.which("docker") or subprocess.run(buildx, capture_output=True, check=False).returncode:
        session.warn("docker has no buildx here: the tests of the bake file and of setup-cache.sh are left out")
        which = "not (real or contract)"
    session.run("pytest", "--numprocesses=2", "-m", which, *session.posargs)


@nox.session
def suite(session: nox.Session) -> None:
    """Run all tiers of tests, on the engine that answers or on one that is started for them.

    `ci.check` is among them: as a step of the workflow, in a clean clone (tests/real/test_readme.py).
    """
    with engine(session):
        session.run("pytest", "--numprocesses=2", "-m", "not real", *session.posargs)
        # The slowest tests are printed: all of it has to stay below 20 minutes.
        session.run("pytest", *REAL, "--durations=20", *session.posargs)
        if os.getuid() == 0:
            # It has an engine of its own.
            session.run(*CAMPAIGN, "--rounds", "3")


@nox.session(default=False)
def campaign(session: nox.Session) -> None:
    """Run operations under faults, on an engine of their own, as root; options may follow, see --help."""
    session.run(*CAMPAIGN, *(session.posargs or ("--rounds", "7")))


@nox.session(name="long-campaign", default=False)
def long_campaign(session: nox.Session) -> None:
    """Run the campaign until 200 processes were killed, and 10,000 generated archives and settings: 30 minutes."""
    generated = sorted(map(str, Path("tests").glob("test_*.py")))
    known = [name for name in generated if "GOLDI_EXAMPLES" in Path(name).read_text(encoding="utf-8")]
    session.run("pytest", "--numprocesses=2", *known, env={"GOLDI_EXAMPLES": "10000"})
    session.run(*CAMPAIGN, "--kills", "200", "--most", "4", *session.posargs)


@nox.session(name="long-engines", default=False)
def long_engines(session: nox.Session) -> None:
    """Run the real tests on another engine, as root: newest (the default), rootless or podman; pytest's arguments."""
    session.run("python", "-m", "tests.engines", *(session.posargs or ("newest",)))


@nox.session(name="long-starts", default=False)
def long_starts(session: nox.Session) -> None:
    """Run 200 rounds of eight starts at once, as root, under sudo and as a user: half an hour (-- --rounds 5)."""
    session.run("python", "-m", "tests.starts", *session.posargs)


@nox.session(name="long-scaling", default=False)
def long_scaling(session: nox.Session) -> None:
    """Measure a second machine: cold, from a registry's cache, from an archive; as root, minutes (-- --rounds 3)."""
    session.run("python", "-m", "tests.scaling", *session.posargs)


@nox.session(name="long-tests", default=False)
def long_tests(session: nox.Session) -> None:
    """Run what needs a second engine or minutes: remote builders, proxy, archives, two platforms, benches; as root."""
    with engine(session):
        session.run("pytest", "-m", "by_hand", *session.posargs)


@nox.session(name="long-green", default=False)
def long_green(session: nox.Session) -> None:
    """Run the test command in a fresh clone and add the result to tests/fresh_clone.jsonl (-- --runs 4 --busy)."""
    session.run("python", "-m", "tests.fresh_clone", *session.posargs)


@nox.session(name="long-fingerprint", default=False)
def long_fingerprint(session: nox.Session) -> None:
    """Compare random projects and edits with plain bake and record the results (-- --cases 100 --seed 1)."""
    with engine(session):
        session.run("python", "-m", "tests.fingerprint", *session.posargs)


@nox.session(name="long-platforms", default=False)
def long_platforms(session: nox.Session) -> None:
    """Build the reference app for amd64 and arm64, one of them emulated, as root: five minutes or more."""
    with engine(session):
        session.run("pytest", "-m", "real", "--capture=no", "tests/real/platforms.py", *session.posargs)


@nox.session(venv_backend="venv")
def example(session: nox.Session) -> None:
    """Run the example app's own tests, with its own lock."""
    session.chdir("examples/goldilocks")
    session.install("--quiet", "--no-compile", "--require-hashes", "--requirement", "requirements-dev.lock")
    session.run("pytest", *session.posargs)


@contextmanager
def engine(session: nox.Session) -> Iterator[None]:
    """Hold an engine while tests run; one that was up before stays up."""
    was_up = session.run("goldi", "engine.status", silent=True, success_codes=range(256), log=False)
    running = "no Docker engine answers" not in str(was_up)
    session.run("goldi", "engine.up")
    try:
        yield
    finally:
        session.run("goldi", "ci.tools", "--stop")
        if not running:
            session.run("goldi", "engine.down")

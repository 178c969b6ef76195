"""The checks of this project, and the only list of them; `./goldi test` runs all."""

from collections.abc import Iterator
from contextlib import contextmanager

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "none"


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff, hadolint and shellcheck."""
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")
    session.run("hadolint", "infrastructure/docker/Dockerfile")
    scripts = ("goldi", ".ci/run", "infrastructure/docker/setup-cache.sh")
    session.run(
        "shellcheck", *scripts, "infrastructure/docker/scripts/online.sh", "infrastructure/docker/scripts/install.sh"
    )


@nox.session
def typecheck(session: nox.Session) -> None:
    """Mypy, strict, over the tests too."""
    session.run("mypy", *session.posargs)


@nox.session
def precommit(session: nox.Session) -> None:
    """Every hook over every file."""
    session.run("pre-commit", "run", "--all-files", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """All tiers of tests, on a real engine: the one that answers, or one that is started and stopped again."""
    with engine(session):
        session.run("pytest", "--numprocesses=2", "-m", "not real", *session.posargs)
        session.run("pytest", "--numprocesses=2", "--dist=loadfile", "-m", "real", *session.posargs)


@nox.session(venv_backend="venv")
def example(session: nox.Session) -> None:
    """The example app's own tests, with its own lock."""
    session.chdir("examples/goldilocks")
    session.install("--quiet", "--require-hashes", "--requirement", "requirements-dev.lock")
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
        if not running:
            session.run("goldi", "engine.down")

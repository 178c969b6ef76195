"""Define the errors: one class and one exit code per kind; every message ends with the remedy.

Exit codes are part of the interface: scripts may test for them. 1 is the usual exit code of a failing program,
5 also that of a misspelt command line, 130 is Ctrl-C by the shell's convention.
"""

import errno

from goldi_tasks.invocation import as_typed

# Messages of strerror(3) for ENOSPC and EDQUOT, which Docker and BuildKit repeat.
_DISK_FULL = ("no space left", "disk quota exceeded")


class GoldiError(Exception):
    """A failure that a user can cause and repair.

    `problem` is a clause that says what is wrong, `remedy` a clause that says what to do about it.
    """

    code = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = problem = as_typed(problem)
        self.remedy = remedy = as_typed(remedy)
        # The output of a program may end with a full stop already.
        ends = (part if part.endswith(("?", "!")) else part.rstrip(".") + "." for part in (problem, remedy) if part)
        super().__init__(" ".join(ends))


class SettingsError(GoldiError):
    """An unknown key, a wrong type or a value out of range in `[tool.goldi]` or `GOLDI_*`."""

    code = 3


class NotAProject(GoldiError):
    """There is no project, or a file that every project has is missing."""

    code = 4


class UnknownName(GoldiError):
    """A task, option, target, group, platform or cache that does not exist."""

    code = 5


class NoDocker(GoldiError):
    """The docker client, or its buildx or compose plugin, is not installed."""

    code = 10


class NoEngine(GoldiError):
    """The docker client is installed, but no engine answers."""

    code = 11


class NotDocker(NoEngine):
    """The engine that answers is not Docker's, and lacks what is needed."""


class NoPermission(GoldiError):
    """The engine's socket or a directory is not accessible to this user."""

    code = 12


class CacheRefused(GoldiError):
    """A cache directory is a link, belongs to another user, or cannot be created or emptied."""

    code = 13


class EngineFailed(GoldiError):
    """The private engine could not be fetched, started, stopped or removed."""

    code = 14


class NoSpace(GoldiError):
    """A disk is full."""

    code = 15


class PathNotShared(GoldiError):
    """The engine, in a VM for example, does not see a directory of this machine."""

    code = 16


class CheckLost(GoldiError):
    """The container of a check could not be started, or ended while the check ran."""

    code = 17


class StackRefused(GoldiError):
    """The stack cannot start: a port is taken, a secret is missing, or a volume is another one."""

    code = 18


class StackFailed(GoldiError):
    """A service of the stack ended, or does not become healthy."""

    code = 19


class NoDevcontainer(GoldiError):
    """No dev container runs, something that it is built from is missing, or the task must run on the host."""

    code = 20


class Unhealthy(GoldiError):
    """`cache.doctor` found a problem that is more than a note."""

    code = 21


class RegistryFailed(GoldiError):
    """A registry refuses a push, limits our requests, or does not answer."""

    code = 22


class CommandFailed(GoldiError):
    """A program ended with an exit code other than 0, which is `code`."""

    def __init__(self, problem: str, code: int, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.code = code


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after the running program was ended. Not a GoldiError: code that continues after one must stop here."""

    code = 130

    def __init__(self) -> None:
        super().__init__("interrupted.")


def is_disk_full(reason: "OSError | str") -> bool:
    """Return whether an OSError, or the output of a program, means that a disk is full."""
    if isinstance(reason, OSError):
        return reason.errno in (errno.ENOSPC, errno.EDQUOT)
    return any(phrase in reason.lower() for phrase in _DISK_FULL)


def nearest(word: str, names: "list[str] | tuple[str, ...]") -> str:
    """Return the one of `names` that is most similar to a misspelt `word`; "" if there is none."""
    # Imported here: difflib takes 5 ms, which only a mistake has to cost.
    import difflib

    matches = difflib.get_close_matches(word, names, n=1) or [name for name in names if word in name and len(word) > 2]
    return matches[0] if matches else ""


def did_you_mean(word: str, names: "list[str] | tuple[str, ...]") -> str:
    """Return the remedy for a misspelt `word`: the nearest of `names`, or all of them."""
    match = nearest(word, names)
    return f"did you mean '{match}'?" if match else "known: " + ", ".join(sorted(names))

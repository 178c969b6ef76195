"""What can go wrong, one class and one exit code per kind; every message ends with the remedy.

Exit codes are part of the interface: scripts may test for them. 1 is what a failing program usually
means, 5 also what a misspelt command line gives, 130 is Ctrl-C by the shell's convention.
"""

import errno

from goldi_tasks.invocation import as_typed

# What the system calls a full disk and a used-up quota (strerror(3)), as Docker and BuildKit repeat it.
_DISK_FULL = ("no space left", "disk quota exceeded")


class GoldiError(Exception):
    """A failure that a user can cause and can mend.

    `problem` is one clause that says what is wrong, `remedy` one that says what to do about it.
    """

    code = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = problem = as_typed(problem)
        self.remedy = remedy = as_typed(remedy)
        # What a program said may end as a sentence already.
        ends = (part if part.endswith(("?", "!")) else part.rstrip(".") + "." for part in (problem, remedy) if part)
        super().__init__(" ".join(ends))


class SettingsError(GoldiError):
    """An unknown key, a wrong type or a value out of range in `[tool.goldi]` or `GOLDI_*`."""

    code = 3


class NotAProject(GoldiError):
    """No project here, or a file that every project has is missing."""

    code = 4


class UnknownName(GoldiError):
    """A task, option, target, group, platform or cache that does not exist."""

    code = 5


class NoDocker(GoldiError):
    """The docker client, or its buildx or compose plugin, is not installed."""

    code = 10


class NoEngine(GoldiError):
    """The client is there and no engine answers."""

    code = 11


class NotDocker(NoEngine):
    """What answers is no engine of Docker's, and cannot do what one does."""


class NoPermission(GoldiError):
    """The engine's socket, or a directory, may not be used by this user."""

    code = 12


class CacheRefused(GoldiError):
    """A cache directory is a link, belongs to somebody else, or cannot be made or emptied."""

    code = 13


class EngineFailed(GoldiError):
    """The private engine could not be fetched, started, stopped or removed."""

    code = 14


class NoSpace(GoldiError):
    """A disk is full."""

    code = 15


class NotSeen(GoldiError):
    """A directory that the engine does not see as this machine does, as one in a VM."""

    code = 16


class CheckLost(GoldiError):
    """The container of a check ended under it, or could not be started for it."""

    code = 17


class StackRefused(GoldiError):
    """The stack cannot start as things are: a port is taken, a secret is missing, a volume is another one."""

    code = 18


class StackFailed(GoldiError):
    """A service of the stack ended, or does not become healthy."""

    code = 19


class NoDevcontainer(GoldiError):
    """No dev container runs here, or what makes one is missing."""

    code = 20


class Unhealthy(GoldiError):
    """`cache.doctor` found what is worse than a note."""

    code = 21


class RegistryFailed(GoldiError):
    """A registry refuses a push, has enough of us, or does not answer."""

    code = 22


class CommandFailed(GoldiError):
    """A program ended with an exit code other than 0; `code` is the program's own."""

    def __init__(self, problem: str, code: int, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.code = code


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, once what ran was ended. No GoldiError: who goes on after a failure must not go on after this."""

    code = 130

    def __init__(self) -> None:
        super().__init__("interrupted.")


def is_disk_full(reason: "OSError | str") -> bool:
    """Return whether a failure of the system, or what a program printed, means that a disk is full."""
    if isinstance(reason, OSError):
        return reason.errno in (errno.ENOSPC, errno.EDQUOT)
    return any(words in reason.lower() for words in _DISK_FULL)


def nearest(word: str, known: "list[str] | tuple[str, ...]") -> str:
    """Return the one of `known` that a misspelt `word` is most like; "" if there is none."""
    # Imported here: difflib is 5 ms that only a mistake has to pay.
    import difflib

    near = difflib.get_close_matches(word, known, n=1) or [name for name in known if word in name and len(word) > 2]
    return near[0] if near else ""


def did_you_mean(word: str, known: "list[str] | tuple[str, ...]") -> str:
    """The remedy for a misspelt `word`: the nearest of `known`, or all of them."""
    near = nearest(word, known)
    return f"did you mean '{near}'?" if near else "known: " + ", ".join(sorted(known))

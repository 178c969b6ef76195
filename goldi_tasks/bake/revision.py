"""Which revision is built, for caches and for labels: from what a CI says in the environment, and what git says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LABEL = "org.opencontainers.image"
_SCP = re.compile(r"(?:[^@/\s]+@)?(?P<host>[\w.-]+):(?P<path>[^/\s][^\s]*)")
_URL = re.compile(r"(?:https?|ssh|git)://(?:[^/@\s]*@)?(?P<host>[^/:\s]+)(?P<port>:\d+)?/(?P<path>[^\s?#]+)")


@dataclass(frozen=True)
class Revision:
    """What is checked out: `commit` ("" outside of git), `clean` or changed, its `date`, its `tag` and its `branch`.

    `origin` is the address that git has for it, which may hold a password; "" for what there is not.
    """

    commit: str = ""
    clean: bool = True
    date: str = ""
    tag: str = ""
    branch: str = ""
    origin: str = ""


def branch(found: Revision, environ: Mapping[str, str], main: str) -> str:
    """The branch that is built: the CI's variables know it, where git's head is detached; "" if nobody does.

    Outside of git there is the `main` one only.
    """
    head = environ.get("GITHUB_HEAD_REF", "")
    # A fork's own main is not ours: what it proposes must not become the cache that all branches read.
    if head and head != main:
        return head
    return (
        environ.get("GITHUB_REF_NAME")
        or environ.get("CI_COMMIT_REF_NAME")
        or found.branch
        or (main if not found.commit else "")
    )


def source(address: str) -> str:
    """Where people read the source, from the address of a git remote: https, without a login; "" for a local one."""
    if url := _URL.fullmatch(address):
        # The port of another protocol than http leads nowhere.
        port = url["port"] or "" if address.startswith("http") else ""
        return f"https://{url['host']}{port}/{url['path'].removesuffix('.git').rstrip('/')}"
    if (scp := _SCP.fullmatch(address)) and "://" not in address:
        return f"https://{scp['host']}/{scp['path'].removesuffix('.git')}"
    return ""


def labels(found: Revision, environ: Mapping[str, str]) -> dict[str, str]:
    """The OCI annotations of an image of it, as labels; the same for the same commit, on any day and machine.

    GOLDI_VERSION and GOLDI_REVISION, which the bake file knows, win.
    """
    commit = found.commit and found.commit + ("" if found.clean else "-dirty")
    said = {
        "version": environ.get("GOLDI_VERSION") or found.tag,
        "revision": environ.get("GOLDI_REVISION") or commit,
        "source": source(found.origin),
        "created": found.date,
    }
    return {f"{_LABEL}.{name}": value for name, value in said.items() if value}

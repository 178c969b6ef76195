"""Find the branch and the labels of the revision that is built, from git and the variables that a CI service sets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LABEL = "org.opencontainers.image"
_SCP = re.compile(r"(?:[^@/\s]+@)?(?P<host>[\w.-]+):(?P<path>[^/\s][^\s]*)")
_URL = re.compile(r"(?:https?|ssh|git)://(?:[^/@\s]*@)?(?P<host>[^/:\s]+)(?P<port>:\d+)?/(?P<path>[^\s?#]+)")


@dataclass(frozen=True)
class Revision:
    """A checkout: its `commit`, `date` (of the commit, ISO 8601), `tag` and `branch`, and whether it is `clean`.

    `origin` is the URL of that remote, which may hold a password. A field without a value is "": outside of git, all.
    """

    commit: str = ""
    clean: bool = True
    date: str = ""
    tag: str = ""
    branch: str = ""
    origin: str = ""


def branch(checkout: Revision, environ: Mapping[str, str], main: str) -> str:
    """Return the branch that is built, "" if it is unknown; `main` outside of git.

    The variables of the CI service come first, since there git's HEAD is detached.
    """
    head = environ.get("GITHUB_HEAD_REF", "")
    # The main branch of a fork is not ours: a pull request must not write the cache that all branches read.
    if head and head != main:
        return head
    return (
        environ.get("GITHUB_REF_NAME")
        or environ.get("CI_COMMIT_REF_NAME")
        or checkout.branch
        or (main if not checkout.commit else "")
    )


def source(address: str) -> str:
    """Return the https URL of the source, without a login, for the URL of a git remote; "" for a local remote."""
    if url := _URL.fullmatch(address):
        # The port of ssh or git does not serve https.
        port = url["port"] or "" if address.startswith("http") else ""
        return f"https://{url['host']}{port}/{url['path'].removesuffix('.git').rstrip('/')}"
    if (scp := _SCP.fullmatch(address)) and "://" not in address:
        return f"https://{scp['host']}/{scp['path'].removesuffix('.git')}"
    return ""


def labels(checkout: Revision, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the OCI annotations of an image of `checkout`, as labels; they depend on the commit only.

    GOLDI_VERSION and GOLDI_REVISION, which the bake file uses too, take precedence.
    """
    commit = checkout.commit and checkout.commit + ("" if checkout.clean else "-dirty")
    annotations = {
        "version": environ.get("GOLDI_VERSION") or checkout.tag,
        "revision": environ.get("GOLDI_REVISION") or commit,
        "source": source(checkout.origin),
        "created": checkout.date,
    }
    return {f"{_LABEL}.{name}": value for name, value in annotations.items() if value}

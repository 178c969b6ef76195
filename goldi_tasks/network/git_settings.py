"""Read git's proxies and url.*.insteadOf from the machine's and the user's settings, with `git config`.

A repository's own settings are left out: CI systems keep a token there for the checkout only. Logins in headers and
credential helpers are left out, too, and addresses that lead to ssh, since steps have no ssh keys.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed
from goldi_tasks.network import logins
from goldi_tasks.network.config_files import Files, home_of

_KEY = re.compile(r"http\.(?:.+\.)?proxy|url\.https?://.+\.(?:push)?insteadof", re.DOTALL)
Entries = tuple[tuple[str, str], ...]


def read(environ: Mapping[str, str], files: Files) -> Entries:
    """Return pairs of key and value, the strongest last; a key may occur more than once."""
    home = home_of(environ)
    files.candidates += [home / ".gitconfig", Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "git/config")]
    files.candidates.append(Path("/etc/gitconfig"))
    if not shutil.which("git"):
        return ()
    try:
        # In /, outside of any repository.
        output = process.capture(
            Command(("git", "config", "--list", "--null", "--show-origin", "--includes")), cwd=Path("/")
        )
    except CommandFailed as error:
        files.problems.append(f"git's settings are ignored: {error.problem.partition(chr(10))[0]}")
        return ()
    parts = output.split("\0")[:-1]
    files.candidates += [Path(origin[5:]) for origin in dict.fromkeys(parts[::2]) if origin.startswith("file:")]
    pairs = (entry.partition("\n") for entry in parts[1::2])
    return tuple((key, value) for key, _, value in pairs if value and _KEY.fullmatch(key))


def variables(entries: Entries, *, with_logins: bool = True) -> dict[str, str]:
    """Return GOLDI_GIT_CONFIG for scripts/online.sh: a line of key, tab and value for each entry."""
    pairs = [pair for pair in entries if not any("\t" in text or "\n" in text for text in pair)]
    if not with_logins:
        pairs = [pair for pair in pairs if pair == tuple(map(logins.without, pair))]
    return {"GOLDI_GIT_CONFIG": "".join(f"{key}\t{value}\n" for key, value in pairs)} if pairs else {}


def secrets(entries: Entries) -> set[str]:
    """Return what must not be printed."""
    texts = [text.removeprefix("url.") for pair in entries for text in pair]
    return {secret for text in texts for secret in logins.secrets(text)}

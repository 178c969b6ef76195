"""git's proxies, and addresses that stand for others: what git itself says of the machine's and the user's settings.

A repository's own settings are left out: CI systems keep a token there that is for its checkout alone. So are logins in
headers and helpers, and addresses that lead to ssh, whose keys no step has.
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
    """Return keys and values, the strongest last; a key may come more than once."""
    home = home_of(environ)
    files.asked += [home / ".gitconfig", Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "git/config")]
    files.asked.append(Path("/etc/gitconfig"))
    if not shutil.which("git"):
        return ()
    try:
        # Outside of any repository.
        said = process.capture(
            Command(("git", "config", "--list", "--null", "--show-origin", "--includes")), cwd=Path("/")
        )
    except CommandFailed as error:
        files.problems.append(f"git's settings are ignored: {error.problem.partition(chr(10))[0]}")
        return ()
    parts = said.split("\0")[:-1]
    files.asked += [Path(origin[5:]) for origin in dict.fromkeys(parts[::2]) if origin.startswith("file:")]
    pairs = (entry.partition("\n") for entry in parts[1::2])
    return tuple((key, value) for key, _, value in pairs if value and _KEY.fullmatch(key))


def variables(entries: Entries, *, with_logins: bool = True) -> dict[str, str]:
    """Return GOLDI_GIT_CONFIG, a line `KEY VALUE` with a tab between for each, which scripts/online.sh reads."""
    kept = [pair for pair in entries if not any("\t" in text or "\n" in text for text in pair)]
    if not with_logins:
        kept = [pair for pair in kept if pair == tuple(map(logins.without, pair))]
    return {"GOLDI_GIT_CONFIG": "".join(f"{key}\t{value}\n" for key, value in kept)} if kept else {}


def secrets(entries: Entries) -> set[str]:
    """Return what must not be shown of them."""
    texts = [text.removeprefix("url.") for pair in entries for text in pair]
    return {secret for text in texts for secret in logins.secrets(text)}

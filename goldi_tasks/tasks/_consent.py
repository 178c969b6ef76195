"""Ask for consent before data is deleted or a file overwritten; without a terminal `--yes` is needed."""

import sys

from invoke.exceptions import Exit

from goldi_tasks.errors import UnknownName

YES = "Do not ask; required without a terminal."


def confirm(loss: str, yes: bool, alternative: str = "") -> None:
    """Ask for consent to `loss`, a clause that names the data that is lost and its owner; do nothing if it is "".

    `alternative` is another remedy. Raises UnknownName without a terminal, Exit if the answer is no.
    """
    if yes or not loss:
        return
    if not sys.stdin.isatty():
        raise UnknownName(loss, f"Use --yes if that is what you want{f', or {alternative}' if alternative else ''}")
    # Standard output may be JSON.
    print(f"{loss}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Exit("nothing was changed", 1)

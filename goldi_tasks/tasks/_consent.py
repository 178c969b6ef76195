"""What deletes data or writes over a file asks on a terminal; without one only `--yes` is consent."""

import sys

from invoke.exceptions import Exit

from goldi_tasks.errors import UnknownName

YES = "Do not ask; needed where there is no terminal."


def confirm(loss: str, yes: bool, alternative: str = "") -> None:
    """Ask for consent to `loss`, a clause that says what is lost and whose it is; "" needs none.

    `alternative` is what else can be done. Raises UnknownName where nobody can be asked, Exit where the answer is no.
    """
    if yes or not loss:
        return
    if not sys.stdin.isatty():
        raise UnknownName(loss, f"Use --yes if that is what you want{f', or {alternative}' if alternative else ''}")
    # Standard output may be JSON.
    print(f"{loss}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Exit("nothing was changed", 1)

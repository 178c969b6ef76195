"""Import what the image's command starts, so that a build fails and not the container.

    python smoke.py MODULE[:ATTRIBUTE]...

It runs inside builds, in the directory and as the user of what is shipped, without network.
"""

import os
import sys
from pkgutil import resolve_name
from traceback import print_exc


def main(names: list[str]) -> int:
    """Import each of `names`; 1 if one fails, with its traceback and the reason as the last line."""
    # As `python -m` does it.
    sys.path[0] = ""
    for name in names:
        try:
            resolve_name(name)
        except BaseException as error:
            print_exc()
            words = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"smoke test: {name} cannot be imported: {words}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that a module has started are not waited for.
    os._exit(code)

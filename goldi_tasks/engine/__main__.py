"""What sudo runs for an ordinary user: `python -m goldi_tasks.engine up | down | purge | images NAME...`."""

import sys

from goldi_tasks.engine import HERE, daemon, images
from goldi_tasks.errors import GoldiError, Interrupted

try:
    match sys.argv[1:]:
        case ["up"]:
            daemon.up(HERE)
        case ["down" | "purge" as verb]:
            daemon.down(HERE, purge=verb == "purge")
        case ["images", *names]:
            images.make(HERE, names)
except GoldiError as error:
    print(f"goldi: {error}", file=sys.stderr)
    sys.exit(error.code)
except KeyboardInterrupt:
    print(f"goldi: {Interrupted()}", file=sys.stderr)
    sys.exit(Interrupted.code)

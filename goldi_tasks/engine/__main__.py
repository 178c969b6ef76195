"""Run an engine task as root: `sudo python -m goldi_tasks.engine up | down | purge | ...`."""

import sys

from goldi_tasks.engine import HERE, base_images, binfmt, cross_platform, daemon
from goldi_tasks.errors import GoldiError, Interrupted

try:
    match sys.argv[1:]:
        case ["up"]:
            daemon.up(HERE)
        case ["down" | "purge" as verb]:
            daemon.down(HERE, purge=verb == "purge")
        case ["images", *names]:
            base_images.make(HERE, names)
        case ["foreign", variable, *platforms]:
            cross_platform.make(HERE, variable, platforms)
        case ["binfmt"]:
            binfmt.install(HERE)
        case ["no-binfmt"]:
            binfmt.uninstall(HERE)
except GoldiError as error:
    print(f"goldi: {error}", file=sys.stderr)
    sys.exit(error.code)
except KeyboardInterrupt:
    print(f"goldi: {Interrupted()}", file=sys.stderr)
    sys.exit(Interrupted.code)

"""Run an engine task as root: `sudo python -m goldi_tasks.engine up | down | purge | ...`."""

import sys

from goldi_tasks.engine import DEFAULT_PATHS, base_images, binfmt, cross_platform, daemon
from goldi_tasks.errors import GoldiError, Interrupted

try:
    match sys.argv[1:]:
        case ["up"]:
            daemon.up(DEFAULT_PATHS)
        case ["down" | "purge" as verb]:
            daemon.down(DEFAULT_PATHS, purge=verb == "purge")
        case ["images", *names]:
            base_images.make(DEFAULT_PATHS, names)
        case ["foreign", variable, *platforms]:
            cross_platform.make(DEFAULT_PATHS, variable, platforms)
        case ["binfmt"]:
            binfmt.install(DEFAULT_PATHS)
        case ["no-binfmt"]:
            binfmt.uninstall(DEFAULT_PATHS)
except GoldiError as error:
    print(f"goldi: {error}", file=sys.stderr)
    sys.exit(error.code)
except KeyboardInterrupt:
    print(f"goldi: {Interrupted()}", file=sys.stderr)
    sys.exit(Interrupted.code)

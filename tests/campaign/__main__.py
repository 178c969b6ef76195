"""`python -m tests.campaign`."""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from goldi_tasks.engine.distribution import IMAGES
from tests.campaign import cage, report
from tests.campaign.operations import OPERATIONS
from tests.campaign.report import Result
from tests.campaign.rounds import Campaign
from tests.campaign.scene import Scene


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--round", type=int, help="only this one of them")
    parser.add_argument("--kills", type=int, default=0, help="go on until so many were killed")
    parser.add_argument("--most", type=int, default=1, help="up to so many kills in a round")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no round after these")
    parser.add_argument("--only", default="", help=f"some of {','.join(OPERATIONS)}")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--image", default=IMAGES["PYTHON_IMAGE"].name, help="what the project builds on")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    found = parser.parse_args()
    if unknown := set(filter(None, found.only.split(","))) - set(OPERATIONS):
        parser.error(f"no operation {' or '.join(sorted(unknown))}: there are {', '.join(OPERATIONS)}")
    return found


def numbers(wanted: argparse.Namespace, results: list[Result]) -> Iterator[int]:
    """The rounds, as long as there is more to do."""
    if wanted.round is not None:
        yield wanted.round
        return
    end, number = time.monotonic() + wanted.minutes * 60, 0
    while number < wanted.rounds or sum(one.kills for one in results) < wanted.kills:
        if time.monotonic() > end:
            return
        yield number
        number += 1


def campaign(wanted: argparse.Namespace) -> int:
    """All rounds, inside the cage; 1 if one failed."""
    results: list[Result] = []
    failed = Path(tempfile.gettempdir(), f"goldi-campaign-{wanted.seed}")
    scene = Scene(wanted.inside, wanted.image)
    with cage.furnished(wanted.inside):
        scene.make()
        try:
            begun = Campaign.begin(scene, wanted.seed, tuple(filter(None, wanted.only.split(","))), wanted.most)
            for number in numbers(wanted, results):
                result = begun.play(number, failed / f"round-{number}")
                results.append(result)
                print(report.line(result), flush=True)
                if result.problems:
                    kept = str(failed / f"round-{number}")
                    print(
                        *report.failure(result, wanted.seed, begun.operations, kept, begun.most), sep="\n", flush=True
                    )
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
        finally:
            scene.engine.end()
            print(*report.table(results, wanted.seed), sep="\n", flush=True)
            if wanted.json:
                text = json.dumps(report.as_json(results, wanted.seed), indent=2)
                wanted.json.write_text(text + "\n", encoding="utf-8")
    return int(any(result.problems for result in results))


def main() -> int:
    """Outside it makes the cage, inside it plays the rounds."""
    # A shell starts what goes on in the background without it, and what we start would take over that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    wanted = arguments()
    if wanted.inside:
        return campaign(wanted)
    if os.getuid() != 0:
        print("the campaign has an engine of its own, which needs root", file=sys.stderr)
        return 2
    missing = [name for name in ("unshare", "setpriv", "mkfs.ext4", "mount", "docker") if not shutil.which(name)]
    if missing:
        print(f"the campaign needs {' and '.join(missing)}", file=sys.stderr)
        return 2
    return cage.run(wanted.image, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())

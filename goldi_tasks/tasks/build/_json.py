"""What scripts are told."""

import json
from typing import TextIO


def print_json(value: object, out: TextIO | None = None) -> None:
    print(json.dumps(value, indent=2), file=out)

"""Remember the bake targets that a stack was last built from, to check them while compose reads its file."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from goldi_tasks import state
from goldi_tasks.settings import Settings


def recall(settings: Settings, key: str) -> tuple[str, ...]:
    """Return the targets of the request `key`, () if they are not known."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        return tuple(map(str, json.loads(_record_file(settings).read_text(encoding="utf-8")).get(key, ())))
    return ()


def remember(settings: Settings, key: str, targets: Sequence[str]) -> None:
    """Save the targets of the request `key`. A failure is ignored: they are looked up again."""
    with suppress(OSError):
        state.write(_record_file(settings), json.dumps({key: list(targets)}))


def _record_file(settings: Settings) -> Path:
    return state.folder("compose") / f"{settings.key}.json"

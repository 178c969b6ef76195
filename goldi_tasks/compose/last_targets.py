"""The bake targets that a stack was built from last: while compose reads its file, they can be looked at already."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from goldi_tasks import state
from goldi_tasks.settings import Settings


def recall(settings: Settings, asked: str) -> tuple[str, ...]:
    """The targets of what was `asked`, () if that is not known."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        return tuple(map(str, json.loads(_file(settings).read_text(encoding="utf-8")).get(asked, ())))
    return ()


def remember(settings: Settings, asked: str, targets: Sequence[str]) -> None:
    """Keep them. That they cannot be kept is no failure."""
    with suppress(OSError):
        state.write(_file(settings), json.dumps({asked: list(targets)}))


def _file(settings: Settings) -> Path:
    return state.folder("compose") / f"{settings.key}.json"

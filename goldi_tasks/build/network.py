"""What a build step, or a shell in an image, is told of the host's network; none of its passwords is ever shown."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from goldi_tasks import atomic, network, state, whose
from goldi_tasks.command import hide
from goldi_tasks.plan import network as plan
from goldi_tasks.settings import Settings


def lines(settings: Settings) -> str:
    """The text of the secret `build_env`, which scripts/online.sh reads; "" if there is nothing to tell."""
    told = plan.tell(network.ask(settings.project / settings.app / "frontend"))
    hide(told.passwords)
    return told.lines


def secrets(settings: Settings) -> dict[str, str]:
    """The same as bake's environment."""
    text = lines(settings)
    return {"GOLDI_BUILD_ENV": text} if text else {}


@contextmanager
def file(settings: Settings) -> Iterator[Path]:
    """The same as a file, for this user only, while the block runs."""
    folder = state.directory()
    state.make(folder)
    with NamedTemporaryFile("w", encoding="utf-8", prefix="network-", dir=folder) as out:
        out.write(lines(settings))
        out.flush()
        os.fchmod(out.fileno(), 0o400)
        atomic.give(Path(out.name), whose.owner())
        yield Path(out.name)

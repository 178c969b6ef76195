"""Recorded `--progress=rawjson` of buildx in tests/data; parts of steps that came again and again are left out.

Of 0.13.1 `cold` (two targets at once), `cached`, `failing`; of 0.36.1 `0.36-cached`, `0.36-code-only`, `0.36-failing`.
"""

from pathlib import Path

from goldi_tasks.bake.progress.events import Decoder, Event
from goldi_tasks.bake.progress.running_build import RunningBuild

STREAMS = ("cold", "cached", "failing")


def text(name: str) -> str:
    return (Path(__file__).parent / "data" / f"rawjson-{name}.txt").read_text(encoding="utf-8")


def events(said: str) -> list[Event]:
    decoder = Decoder()
    return [*decoder.feed(said), *decoder.close()]


def build(said: str) -> RunningBuild:
    found = RunningBuild()
    for event in events(said):
        found.apply(event)
    return found

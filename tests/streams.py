"""Recorded `--progress=rawjson` of buildx 0.13.1 in tests/data: `cold` (two targets at once), `cached`, `failing`.

Parts of steps that were said again and again are left out; all else is as it came.
"""

from pathlib import Path

from goldi_tasks.build.watch.progress import Decoder, Event
from goldi_tasks.build.watch.steps import Build

STREAMS = ("cold", "cached", "failing")


def text(name: str) -> str:
    return (Path(__file__).parent / "data" / f"rawjson-{name}.txt").read_text(encoding="utf-8")


def events(said: str) -> list[Event]:
    decoder = Decoder()
    return [*decoder.feed(said), *decoder.close()]


def build(said: str) -> Build:
    found = Build()
    for event in events(said):
        found.apply(event)
    return found

"""What buildx says with `--progress=rawjson`, as typed events: text in, in pieces of any size, values out.

buildx 0.13 writes its JSON documents over many lines, later ones one a line; what else it writes to the same
place (warnings, the final error with its piece of the Dockerfile) comes out as `Said`.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Vertex:
    """A step as it is now; times are seconds since the epoch, None for what has not happened."""

    digest: str
    name: str
    inputs: tuple[str, ...] = ()
    started: float | None = None
    completed: float | None = None
    cached: bool = False
    error: str = ""


@dataclass(frozen=True)
class Status:
    """Part of a step, such as one download: `current` of `total` bytes, 0 where that is not known."""

    vertex: str
    name: str
    current: int = 0
    total: int = 0
    started: float | None = None
    completed: float | None = None


@dataclass(frozen=True)
class Log:
    """What a step wrote, as it came: neither lines nor letters are whole."""

    vertex: str
    data: bytes
    at: float | None = None


@dataclass(frozen=True)
class Notice:
    """A warning about the Dockerfile."""

    vertex: str
    text: str


@dataclass(frozen=True)
class Said:
    """A line that is not JSON."""

    text: str


Event = Vertex | Status | Log | Notice | Said


class Decoder:
    """Feeds on text, gives events."""

    def __init__(self) -> None:
        self._rest = ""
        self._document: list[str] = []

    def feed(self, text: str) -> Iterator[Event]:
        """The events that are complete with `text`."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            yield from self._line(line)

    def close(self) -> Iterator[Event]:
        """What is left when nothing more comes; a document that was cut off is dropped."""
        rest, self._rest = self._rest, ""
        if rest:
            yield from self._line(rest)
        self._document = []

    def _line(self, line: str) -> Iterator[Event]:
        if self._document and line.startswith((" ", "}")):
            self._document.append(line)
            if line.rstrip() == "}":
                whole, self._document = self._document, []
                yield from _events("\n".join(whole))
        elif line.rstrip() == "{":
            self._document = [line]
        elif line.startswith("{"):
            yield from _events(line)
        else:
            # Also between the lines of a document: other writers do not wait for buildx's end.
            yield Said(line.rstrip("\r"))


def _events(text: str) -> Iterator[Event]:
    """The events of one document; a text that is none of buildx's is passed on."""
    try:
        found = list(_read(json.loads(text)))
    except (ValueError, LookupError, TypeError, AttributeError):
        found = [Said(line) for line in text.split("\n")]
    yield from found


def _read(document: dict[str, Any]) -> Iterator[Event]:
    # 0.13 writes empty ones too.
    if document and not document.keys() & {"vertexes", "statuses", "logs", "warnings"}:
        raise ValueError("not buildx's")
    for it in document.get("vertexes") or ():
        times = _time(it.get("started")), _time(it.get("completed"))
        inputs = tuple(it.get("inputs") or ())
        yield Vertex(it["digest"], it.get("name", ""), inputs, *times, it.get("cached", False), it.get("error", ""))
    for it in document.get("statuses") or ():
        times = _time(it.get("started")), _time(it.get("completed"))
        yield Status(it["vertex"], it["id"], it.get("current", 0), it.get("total", 0), *times)
    for it in document.get("logs") or ():
        yield Log(it["vertex"], base64.b64decode(it.get("data") or ""), _time(it.get("timestamp")))
    for it in document.get("warnings") or ():
        yield Notice(it["vertex"], base64.b64decode(it.get("short") or "").decode("utf-8", "replace"))


def _time(text: str | None) -> float | None:
    """Seconds since the epoch; Go writes the year 1 for what has not happened."""
    return datetime.fromisoformat(text).timestamp() if text and not text.startswith("0001-") else None

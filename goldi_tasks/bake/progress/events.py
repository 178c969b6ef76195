"""Parse the output of `buildx --progress=rawjson` into typed events; the text may come in pieces of any size.

buildx 0.13 writes each JSON document over many lines, later releases write one document per line. Every other line of
that stream (warnings, the final error with its excerpt of the Dockerfile) is an event of its own.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Vertex:
    """A step and its present state; times are seconds since the epoch, None for what has not happened."""

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
    """Output of a step as buildx sent it: it may begin or end inside a line or a UTF-8 character."""

    vertex: str
    data: bytes
    timestamp: float | None = None


@dataclass(frozen=True)
class Notice:
    """A warning about the Dockerfile."""

    vertex: str
    text: str


@dataclass(frozen=True)
class OutputLine:
    """A line that is not JSON."""

    text: str


Event = Vertex | Status | Log | Notice | OutputLine


class Decoder:
    """A decoder that is fed pieces of text and yields the events that they complete."""

    def __init__(self) -> None:
        self._unfinished_line = ""
        self._document: list[str] = []

    def feed(self, text: str) -> Iterator[Event]:
        """Yield the events that `text` completes."""
        *lines, self._unfinished_line = (self._unfinished_line + text).split("\n")
        for line in lines:
            yield from self._decode_line(line)

    def close(self) -> Iterator[Event]:
        """Yield the events of an unfinished last line; an unfinished document is dropped."""
        line, self._unfinished_line = self._unfinished_line, ""
        if line:
            yield from self._decode_line(line)
        self._document = []

    def _decode_line(self, line: str) -> Iterator[Event]:
        if self._document and line.startswith((" ", "}")):
            self._document.append(line)
            if line.rstrip() == "}":
                document_lines, self._document = self._document, []
                yield from _parse_document("\n".join(document_lines))
        elif line.rstrip() == "{":
            self._document = [line]
        elif line.startswith("{"):
            yield from _parse_document(line)
        else:
            # Other programs may write to the stream between the lines of a document.
            yield OutputLine(line.rstrip("\r"))


def _parse_document(text: str) -> Iterator[Event]:
    """Yield the events of one document; text that is not a document of buildx is passed on line by line."""
    try:
        events = list(_read_document(json.loads(text)))
    except (ValueError, LookupError, TypeError, AttributeError):
        events = [OutputLine(line) for line in text.split("\n")]
    yield from events


def _read_document(document: dict[str, Any]) -> Iterator[Event]:
    # buildx 0.13 writes empty documents, too.
    if document and not document.keys() & {"vertexes", "statuses", "logs", "warnings"}:
        raise ValueError("not a document of buildx")
    for vertex in document.get("vertexes") or ():
        times = _parse_time(vertex.get("started")), _parse_time(vertex.get("completed"))
        inputs = tuple(vertex.get("inputs") or ())
        cached, error = vertex.get("cached", False), vertex.get("error", "")
        yield Vertex(vertex["digest"], vertex.get("name", ""), inputs, *times, cached, error)
    for status in document.get("statuses") or ():
        times = _parse_time(status.get("started")), _parse_time(status.get("completed"))
        yield Status(status["vertex"], status["id"], status.get("current", 0), status.get("total", 0), *times)
    for log in document.get("logs") or ():
        yield Log(log["vertex"], base64.b64decode(log.get("data") or ""), _parse_time(log.get("timestamp")))
    for warning in document.get("warnings") or ():
        yield Notice(warning["vertex"], base64.b64decode(warning.get("short") or "").decode("utf-8", "replace"))


def _parse_time(text: str | None) -> float | None:
    """Return seconds since the epoch; None for Go's zero time (year 1), which stands for what has not happened."""
    return datetime.fromisoformat(text).timestamp() if text and not text.startswith("0001-") else None

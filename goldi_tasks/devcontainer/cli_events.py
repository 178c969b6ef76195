"""The CLI's events as lines for people, and what it said of a failure as one sentence."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

STEPS = {
    "Run: docker run ": "starting the container",
    "Run: docker start ": "starting the container again",
    "Removing Existing Container": "removing the old container",
}
_ANSI = re.compile(r"\x1b\[[\d;]*[A-Za-z]")
# What the CLI itself says around the output of a project's commands.
_NOISE = re.compile(r"Container started|Running the \w+ from \S+|[\da-f]{64}")
_DAEMON = re.compile(r"Error response from daemon: (.+)")


@dataclass
class Story:
    """What was heard of `devcontainer up`: `result` is its last word, `said` what the project's commands printed."""

    result: dict[str, Any] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    daemon: str = ""
    _rest: str = ""

    def hear(self, text: str) -> Iterator[str]:
        """Lines for people that the next piece of output gives."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            event = _parsed(line)
            if "outcome" in event:
                self.result = event
            else:
                yield from self._lines(event)

    def _lines(self, event: dict[str, Any]) -> Iterator[str]:
        text = _ANSI.sub("", str(event.get("text", "")))
        if hit := _DAEMON.search(text):
            self.daemon = hit[1].strip()
        if event.get("type") == "start":
            yield from (f"goldi: {step}" for begin, step in STEPS.items() if text.startswith(begin))
        elif event.get("type") == "raw":
            for line in filter(None, (part.strip() for part in text.splitlines())):
                if not _NOISE.match(line):
                    self.said.append(line)
                    yield line

    def failure(self) -> tuple[str, str]:
        """The problem and the remedy, as far as somebody named them."""
        if self.daemon:
            return (
                f"the dev container cannot be started: {self.daemon}",
                "See `docker info`, or `inv devcontainer.rebuild`",
            )
        if self.said and self.said[-1].startswith(("goldi: ", "setup-cache: ")):
            return self.said[-1].partition(": ")[2], ""
        # Its description is the same for all that goes wrong; its message names the program.
        said = self.result.get("message") or self.result.get("description") or "it said nothing"
        return f"devcontainer up: {said}", "See what it printed, or run `devcontainer up` by itself"


def _parsed(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}

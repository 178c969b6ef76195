"""Parse the events of the dev container CLI into progress lines, and its failure into one sentence."""

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
# Lines of the CLI around the output of a project's commands.
_CLI_LINE = re.compile(r"Container started|Running the \w+ from \S+|[\da-f]{64}")
_DAEMON_ERROR = re.compile(r"Error response from daemon: (.+)")


@dataclass
class UpEvents:
    """The events of one `devcontainer up`.

    `result` is its last event, `output` what the project's commands printed, `daemon` the engine's last error.
    """

    result: dict[str, Any] = field(default_factory=dict)
    output: list[str] = field(default_factory=list)
    daemon: str = ""
    _partial_line: str = ""

    def feed(self, text: str) -> Iterator[str]:
        """Parse the next piece of output; yield progress lines for people."""
        *lines, self._partial_line = (self._partial_line + text).split("\n")
        for line in lines:
            event = _parse_event(line)
            if "outcome" in event:
                self.result = event
            else:
                yield from self._progress(event)

    def _progress(self, event: dict[str, Any]) -> Iterator[str]:
        text = _ANSI.sub("", str(event.get("text", "")))
        if match := _DAEMON_ERROR.search(text):
            self.daemon = match[1].strip()
        if event.get("type") == "start":
            yield from (f"goldi: {step}" for prefix, step in STEPS.items() if text.startswith(prefix))
        elif event.get("type") == "raw":
            for line in filter(None, (part.strip() for part in text.splitlines())):
                if not _CLI_LINE.match(line):
                    self.output.append(line)
                    yield line

    def failure(self) -> tuple[str, str]:
        """Return the problem and the remedy, as far as the output names them."""
        if self.daemon:
            return (
                f"the dev container cannot be started: {self.daemon}",
                "See `docker info`, or `inv devcontainer.rebuild`",
            )
        if self.output and self.output[-1].startswith(("goldi: ", "setup-cache: ")):
            return self.output[-1].partition(": ")[2], ""
        # The description is always the same; the message names the program that failed.
        message = self.result.get("message") or self.result.get("description") or "no message"
        return f"devcontainer up: {message}", "See its output above, or run `devcontainer up` directly"


def _parse_event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}

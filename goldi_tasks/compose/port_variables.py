"""Which variable of the compose file says a port."""

import json
import os
import re
from pathlib import Path

from goldi_tasks import envfile, process
from goldi_tasks.compose.compose_arguments import Compose
from goldi_tasks.compose.stack_model import Port, Service
from goldi_tasks.errors import CommandFailed
from goldi_tasks.settings import Settings

_OURS = "infrastructure/docker/docker-compose.yml"
_SAID = re.compile(r"published:\s*[\"']?\$\{(\w+)(?::?-(\d+))?\}")


def variable(settings: Settings, compose: Compose, service: Service, port: Port) -> str:
    """Its name; "" if none does, or nobody knows."""
    command = compose.command(("*",), "config", "--no-interpolate", "--format", "json")
    try:
        said = json.loads(process.capture(command, cwd=settings.project))["services"][service.name]["ports"]
        published = next(str(one["published"]) for one in said if int(one["target"]) == port.target)
    except CommandFailed:
        # From 2.40 on compose takes a `host_ip` with a variable in it for a wrong address.
        return _in_text(settings, compose, port)
    except (ValueError, LookupError, TypeError, StopIteration):
        return ""
    match = re.match(r"\$\{(\w+)", published)
    return match[1] if match else ""


def _in_text(settings: Settings, compose: Compose, port: Port) -> str:
    """The one variable among those after `published:` that has this number now."""
    values = envfile.read(settings.made_images) | dict(os.environ) | dict(compose.env)
    named = compose.files or (*(file.name for file in settings.project.glob("*compose.y*ml")), _OURS)
    files = [settings.project / name for name in named]
    text = "".join(_read(file) for file in files)
    found = {name for name, default in _SAID.findall(text) if (values.get(name) or default) == str(port.number)}
    return found.pop() if len(found) == 1 else ""


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

"""Find the variable of the compose file that sets a port."""

import json
import os
import re
from pathlib import Path

from goldi_tasks import envfile, process
from goldi_tasks.compose.compose_arguments import Compose
from goldi_tasks.compose.stack_model import Port, Service
from goldi_tasks.errors import CommandFailed
from goldi_tasks.settings import Settings

_COMPOSE_FILE = "infrastructure/docker/docker-compose.yml"
_PUBLISHED = re.compile(r"published:\s*[\"']?\$\{(\w+)(?::?-(\d+))?\}")


def variable(settings: Settings, compose: Compose, service: Service, port: Port) -> str:
    """Return the name of the variable that sets a published port; "" if there is none, or it is not known."""
    command = compose.command(("*",), "config", "--no-interpolate", "--format", "json")
    try:
        published_ports = json.loads(process.capture(command, cwd=settings.project))["services"][service.name]["ports"]
        published = next(str(entry["published"]) for entry in published_ports if int(entry["target"]) == port.target)
    except CommandFailed:
        # Since 2.40 compose rejects a `host_ip` with a variable in it as an invalid address.
        return _search_files(settings, compose, port)
    except (ValueError, LookupError, TypeError, StopIteration):
        return ""
    match = re.match(r"\$\{(\w+)", published)
    return match[1] if match else ""


def _search_files(settings: Settings, compose: Compose, port: Port) -> str:
    """Search the compose files for the only variable after `published:` whose value is this port's number."""
    values = envfile.read(settings.made_images) | dict(os.environ) | dict(compose.env)
    file_names = compose.files or (*(file.name for file in settings.project.glob("*compose.y*ml")), _COMPOSE_FILE)
    files = [settings.project / name for name in file_names]
    text = "".join(_read(file) for file in files)
    names = {name for name, default in _PUBLISHED.findall(text) if (values.get(name) or default) == str(port.number)}
    return names.pop() if len(names) == 1 else ""


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

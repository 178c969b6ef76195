"""Translate error messages of docker and compose into a cause and a remedy."""

import re
from pathlib import Path

from goldi_tasks.client import system_info
from goldi_tasks.errors import (
    CommandFailed,
    GoldiError,
    NoSpace,
    SettingsError,
    StackFailed,
    StackRefused,
    is_disk_full,
)

_COMMAND_PREFIX = re.compile(r"^docker compose: ")
# Prefixes of a chain of wrapped Go errors that add nothing to the last error.
_GO_ERROR_PREFIX = re.compile(r"^(Error response from daemon|failed to create task for container|error): ", re.I)


def translate(error: CommandFailed, project: Path) -> GoldiError:
    """Translate the failure of a compose command. Raises NoEngine or NoPermission where no engine answers."""
    output = _COMMAND_PREFIX.sub("", error.problem)
    for match in (_match_file, _match_engine, _match_images, _match_mounts):
        if cause := match(output, project):
            return cause
    return StackRefused(f"compose: {_last_line(output)}", "See `inv compose.config`")


def _match_file(output: str, project: Path) -> GoldiError | None:
    """Return the error of an invalid compose file."""
    if match := re.search(r"(?:^|\n)(?:parsing |failed to parse )?(?:(/[^\n]+?): )?yaml: (.+)", output):
        name = Path(match[1]).relative_to(project) if match[1] and Path(match[1]).is_relative_to(project) else match[1]
        return SettingsError(f"{name or 'the compose file'} is not valid YAML: {match[2]}", "Correct that line")
    if match := re.search(r'service "(.+?)" depends on undefined service "?(.+?)"?: invalid', output):
        remedy = "Correct the name under depends_on"
        return SettingsError(f"{match[1]} depends on {match[2]}, which is not a service of the compose file", remedy)
    if match := re.search(r"required variable (\S+) is missing a value:? ?(.*)", output):
        return SettingsError(f"the compose file needs {match[1]}{': ' + match[2] if match[2] else ''}", "Set it")
    if match := re.search(r"validating (\S+): (.+)", output):
        return SettingsError(f"{Path(match[1]).name}: {match[2]}", "Correct it, see the compose file reference")
    invalid = (
        "invalid compose project",
        "undefined",
        "no such file or directory",
        "invalid interpolation",
        "conflicts with",
    )
    if any(sign in output for sign in invalid) and "daemon" not in output:
        return SettingsError(f"the compose file: {_last_line(output)}", "Correct it")
    return None


def _match_engine(output: str, project: Path) -> GoldiError | None:
    """Return the error of a full disk or of an engine that does not answer. Raises NoEngine, NoPermission."""
    if is_disk_full(output):
        return NoSpace("the disk is full: the stack cannot start", "Free some space, see `inv cache.status`")
    if re.search(
        r"Cannot connect to the Docker daemon|permission denied.*docker|error during connect|EOF$", output, re.S
    ):
        # Raises the precise error, unless the engine answers again.
        system_info.engine_info()
        return StackFailed("the engine stopped answering while the stack started", "Run it again")
    return None


def _match_images(output: str, project: Path) -> GoldiError | None:
    """Return the error of an image that cannot be pulled."""
    signs = r"pull access denied|failed to resolve|failed to do request|manifest unknown|toomanyrequests"
    if re.search(signs, output):
        match = re.search(r'(?:for|reference|image) "?([\w./:@-]+)"?', output)
        image = match[1].rstrip(":") if match else "an image"
        return StackRefused(
            f"{image} cannot be pulled: {_last_line(output)}", "Name an image that exists, or log in to its registry"
        )
    return None


def _match_mounts(output: str, project: Path) -> GoldiError | None:
    """Return the error of a missing directory or of a port in use."""
    if match := re.search(r"failed to mount local volume: mount (.+?):/", output):
        return StackRefused(f"the directory {match[1]} of a volume does not exist", "Create it with `inv cache.setup`")
    if match := re.search(r"bind source path does not exist: (.+)", output):
        return StackRefused(
            f"{match[1]} cannot be mounted: it does not exist", "Create it, or correct the compose file"
        )
    if match := re.search(r"(?:Bind for |listen tcp4? )(\S+?):(\d+)(?::| failed)", output):
        return StackRefused(f"port {match[2]} of {match[1]} is in use", "Stop what uses it, or choose another port")
    return None


def _last_line(output: str) -> str:
    """Return the last line that is not empty, without the prefixes of wrapped Go errors."""
    line = next((line for line in reversed(output.splitlines()) if line.strip()), output).strip()
    while (shorter := _GO_ERROR_PREFIX.sub("", line)) != line:
        line = shorter
    return line

"""What docker and compose say when something is wrong, as what it means and what to do."""

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

_PREFIX = re.compile(r"^docker compose: ")
# Ends of chains of Go errors that say nothing more.
_NOISE = re.compile(r"^(Error response from daemon|failed to create task for container|error): ", re.I)


def explained(error: CommandFailed, project: Path) -> GoldiError:
    """What the failure of a compose command means. Raises what there is to say where no engine answers."""
    said = _PREFIX.sub("", error.problem)
    for look in (_file, _engine, _images, _mounts):
        if found := look(said, project):
            return found
    return StackRefused(f"compose: {_last(said)}", "See `inv compose.config`")


def _file(said: str, project: Path) -> GoldiError | None:
    """The compose file is wrong."""
    if match := re.search(r"(?:^|\n)(?:parsing |failed to parse )?(?:(/[^\n]+?): )?yaml: (.+)", said):
        name = Path(match[1]).relative_to(project) if match[1] and Path(match[1]).is_relative_to(project) else match[1]
        return SettingsError(f"{name or 'the compose file'} is not valid YAML: {match[2]}", "Correct that line")
    if match := re.search(r'service "(.+?)" depends on undefined service "?(.+?)"?: invalid', said):
        remedy = "Correct the name under depends_on"
        return SettingsError(f"{match[1]} depends on {match[2]}, which is no service of the compose file", remedy)
    if match := re.search(r"required variable (\S+) is missing a value:? ?(.*)", said):
        return SettingsError(f"the compose file needs {match[1]}{': ' + match[2] if match[2] else ''}", "Set it")
    if match := re.search(r"validating (\S+): (.+)", said):
        return SettingsError(f"{Path(match[1]).name}: {match[2]}", "Correct it, see the compose file reference")
    invalid = (
        "invalid compose project",
        "undefined",
        "no such file or directory",
        "invalid interpolation",
        "conflicts with",
    )
    if any(sign in said for sign in invalid) and "daemon" not in said:
        return SettingsError(f"the compose file: {_last(said)}", "Correct it")
    return None


def _engine(said: str, project: Path) -> GoldiError | None:
    """No engine, no room."""
    if is_disk_full(said):
        return NoSpace("the disk is full: the stack cannot start", "Free some, see `inv cache.status`")
    if re.search(
        r"Cannot connect to the Docker daemon|permission denied.*docker|error during connect|EOF$", said, re.S
    ):
        # It may be back by now; then that is all there is to say.
        system_info.engine_info()
        return StackFailed("the engine went away while the stack started", "Run it again")
    return None


def _images(said: str, project: Path) -> GoldiError | None:
    """An image that cannot be had."""
    signs = r"pull access denied|failed to resolve|failed to do request|manifest unknown|toomanyrequests"
    if re.search(signs, said):
        match = re.search(r'(?:for|reference|image) "?([\w./:@-]+)"?', said)
        image = match[1].rstrip(":") if match else "an image"
        return StackRefused(f"{image} cannot be pulled: {_last(said)}", "Name one that can be had, or log in")
    return None


def _mounts(said: str, project: Path) -> GoldiError | None:
    """A directory or a port that is not to be had."""
    if match := re.search(r"failed to mount local volume: mount (.+?):/", said):
        return StackRefused(f"the directory {match[1]} of a volume is not there", "Make it with `inv cache.setup`")
    if match := re.search(r"bind source path does not exist: (.+)", said):
        return StackRefused(f"{match[1]} is to be mounted and is not there", "Make it, or correct the compose file")
    if match := re.search(r"(?:Bind for |listen tcp4? )(\S+?):(\d+)(?::| failed)", said):
        return StackRefused(f"port {match[2]} of {match[1]} is taken", "Stop what holds it, or choose another port")
    return None


def _last(said: str) -> str:
    """The last line with something in it, without where it passed through."""
    line = next((line for line in reversed(said.splitlines()) if line.strip()), said).strip()
    while (shorter := _NOISE.sub("", line)) != line:
        line = shorter
    return line

"""Model the stack that `docker compose config` prints, and select its services."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goldi_tasks.errors import SettingsError, UnknownName, did_you_mean


@dataclass(frozen=True)
class Port:
    """A published port: `host` and `number` on the engine's machine, `target` in the container."""

    host: str
    number: int
    target: int
    protocol: str = "tcp"


@dataclass(frozen=True)
class Service:
    """A service: its image and what it needs.

    `target` is the stage of the Dockerfile that its image is built from, "" if it is not built here. `after` are the
    services that it depends on, each with whether it is required. `starts` is False for 0 replicas. `user` is the user
    it runs as, "" for that of the image.
    """

    name: str
    image: str
    target: str = ""
    profiles: tuple[str, ...] = ()
    after: tuple[tuple[str, bool], ...] = ()
    ports: tuple[Port, ...] = ()
    secrets: tuple[str, ...] = ()
    mounts: tuple[tuple[str, str], ...] = ()
    starts: bool = True
    user: str = ""


@dataclass(frozen=True)
class Volume:
    """A named volume: its name on the engine, its driver's options; an `external` one is managed elsewhere."""

    name: str
    options: tuple[tuple[str, str], ...] = ()
    external: bool = False

    @property
    def device(self) -> str:
        """Return the directory of a bind mount, "" where the engine keeps the data: then removing it loses them."""
        options = dict(self.options)
        return options.get("device", "") if "bind" in options.get("o", "").split(",") else ""


@dataclass(frozen=True)
class Stack:
    """The services of all profiles. `secrets` are files by name; secrets of other kinds are left out.

    `jobs` are services that others wait for until they have ended.
    """

    name: str
    services: Mapping[str, Service]
    volumes: Mapping[str, Volume]
    secrets: Mapping[str, str]
    jobs: frozenset[str] = frozenset()

    @property
    def profiles(self) -> list[str]:
        """Return every profile that a service has."""
        return sorted({profile for service in self.services.values() for profile in service.profiles})


def parse(config: Mapping[str, Any]) -> Stack:
    """Return the stack of the JSON that `docker compose config` prints for all profiles."""
    services = {name: _parse_service(name, section) for name, section in config.get("services", {}).items()}
    volumes = {key: _parse_volume(section or {}) for key, section in (config.get("volumes") or {}).items()}
    files = {key: str(section["file"]) for key, section in (config.get("secrets") or {}).items() if section.get("file")}
    dependencies = (
        dependency
        for section in config.get("services", {}).values()
        for dependency in (section.get("depends_on") or {}).items()
    )
    jobs = frozenset(
        name for name, dependency in dependencies if dependency.get("condition") == "service_completed_successfully"
    )
    return Stack(str(config["name"]), services, volumes, files, jobs)


def _parse_service(name: str, section: Mapping[str, Any]) -> Service:
    dependencies = section.get("depends_on") or {}
    return Service(
        name,
        str(section.get("image") or ""),
        str((section.get("build") or {}).get("target") or ""),
        tuple(section.get("profiles") or ()),
        tuple((other, bool(dependency.get("required", True))) for other, dependency in dependencies.items()),
        tuple(_parse_port(port) for port in section.get("ports") or () if str(port.get("published") or "").isdigit()),
        tuple(secret["source"] for secret in section.get("secrets") or ()),
        tuple(
            (mount["source"], mount["target"]) for mount in section.get("volumes") or () if mount["type"] == "volume"
        ),
        section.get("scale", (section.get("deploy") or {}).get("replicas", 1)) != 0,
        str(section.get("user") or "").partition(":")[0],
    )


def _parse_port(section: Mapping[str, Any]) -> Port:
    host = section.get("host_ip") or "0.0.0.0"  # noqa: S104 - compose's default
    return Port(host, int(section["published"]), int(section["target"]), section.get("protocol", "tcp"))


def _parse_volume(section: Mapping[str, Any]) -> Volume:
    options = tuple(sorted((str(key), str(value)) for key, value in (section.get("driver_opts") or {}).items()))
    return Volume(str(section.get("name", "")), options, bool(section.get("external")))


def select_services(stack: Stack, profiles: Sequence[str], names: Sequence[str] = ()) -> tuple[Service, ...]:
    """Return the services of `profiles`, or `names` and their dependencies. Raises UnknownName, SettingsError."""
    for profile in profiles:
        if profile not in stack.profiles:
            raise UnknownName(
                f"no service has the profile '{profile}'", did_you_mean(profile, stack.profiles).capitalize()
            )
    expect_services(stack, names)
    enabled = {
        name: service
        for name, service in stack.services.items()
        if name in names or not service.profiles or set(service.profiles) & set(profiles)
    }
    chosen: dict[str, Service] = {}

    def add(name: str, needed_by: str = "") -> None:
        if name in chosen:
            return
        if name not in enabled:
            profile = stack.services[needed_by].profiles or ("of every profile",)
            problem = f"{needed_by} depends on {name}, which is not in the profile '{profile[0]}'"
            raise SettingsError(problem, f"Give {name} that profile in the compose file")
        chosen[name] = enabled[name]
        for other, required in enabled[name].after:
            if required or other in enabled:
                add(other, name)

    for name in names or enabled:
        add(name)
    return tuple(chosen.values())


def expect_services(stack: Stack, names: Iterable[str]) -> None:
    """Require that each of `names` is a service. Raises UnknownName."""
    for name in names:
        if name not in stack.services:
            raise UnknownName(f"there is no service '{name}'", did_you_mean(name, list(stack.services)).capitalize())

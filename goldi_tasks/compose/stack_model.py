"""The stack as values: what `docker compose config` says of it, and which of its services are meant."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goldi_tasks.errors import SettingsError, UnknownName, did_you_mean


@dataclass(frozen=True)
class Port:
    """A port that is published: `host` and `number` on the engine's machine, `target` in the container."""

    host: str
    number: int
    target: int
    protocol: str = "tcp"


@dataclass(frozen=True)
class Service:
    """A service: what it is made of and what it needs.

    `target` is the stage of the Dockerfile that its image is built from, "" if it is not built here. `after` are the
    services that it depends on, with whether it cannot do without them. `starts` is whether it starts anything. `user`
    is whom it runs as, "" where the image says it.
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
    """A named volume: its name on the engine, its driver's options; one `external` is somebody else's."""

    name: str
    options: tuple[tuple[str, str], ...] = ()
    external: bool = False

    @property
    def device(self) -> str:
        """The directory that it stands for, "" where the engine keeps its data: then removing it loses them."""
        given = dict(self.options)
        return given.get("device", "") if "bind" in given.get("o", "").split(",") else ""


@dataclass(frozen=True)
class Stack:
    """All services of all profiles. `secrets` are the files of those that are files.

    `jobs` are services that others wait for until they have ended.
    """

    name: str
    services: Mapping[str, Service]
    volumes: Mapping[str, Volume]
    secrets: Mapping[str, str]
    jobs: frozenset[str] = frozenset()

    @property
    def profiles(self) -> list[str]:
        """Every profile that a service has."""
        return sorted({profile for service in self.services.values() for profile in service.profiles})


def parse(config: Mapping[str, Any]) -> Stack:
    """The stack of the JSON that `docker compose config` prints for all profiles."""
    services = {name: _service(name, said) for name, said in config.get("services", {}).items()}
    volumes = {key: _volume(said or {}) for key, said in (config.get("volumes") or {}).items()}
    files = {key: str(said["file"]) for key, said in (config.get("secrets") or {}).items() if said.get("file")}
    waits = (how for said in config.get("services", {}).values() for how in (said.get("depends_on") or {}).items())
    jobs = frozenset(name for name, how in waits if how.get("condition") == "service_completed_successfully")
    return Stack(str(config["name"]), services, volumes, files, jobs)


def _service(name: str, said: Mapping[str, Any]) -> Service:
    after = said.get("depends_on") or {}
    return Service(
        name,
        str(said.get("image") or ""),
        str((said.get("build") or {}).get("target") or ""),
        tuple(said.get("profiles") or ()),
        tuple((other, bool(how.get("required", True))) for other, how in after.items()),
        tuple(_port(port) for port in said.get("ports") or () if str(port.get("published") or "").isdigit()),
        tuple(secret["source"] for secret in said.get("secrets") or ()),
        tuple((mount["source"], mount["target"]) for mount in said.get("volumes") or () if mount["type"] == "volume"),
        said.get("scale", (said.get("deploy") or {}).get("replicas", 1)) != 0,
        str(said.get("user") or "").partition(":")[0],
    )


def _port(said: Mapping[str, Any]) -> Port:
    host = said.get("host_ip") or "0.0.0.0"  # noqa: S104 - what compose means where none is given
    return Port(host, int(said["published"]), int(said["target"]), said.get("protocol", "tcp"))


def _volume(said: Mapping[str, Any]) -> Volume:
    options = tuple(sorted((str(key), str(value)) for key, value in (said.get("driver_opts") or {}).items()))
    return Volume(str(said.get("name", "")), options, bool(said.get("external")))


def choose(stack: Stack, profiles: Sequence[str], names: Sequence[str] = ()) -> tuple[Service, ...]:
    """The services of `profiles`, or those in `names` and what they depend on. Raises UnknownName, SettingsError."""
    for profile in profiles:
        if profile not in stack.profiles:
            raise UnknownName(
                f"no service has the profile '{profile}'", did_you_mean(profile, stack.profiles).capitalize()
            )
    known(stack, names)
    active = {
        name: service
        for name, service in stack.services.items()
        if name in names or not service.profiles or set(service.profiles) & set(profiles)
    }
    chosen: dict[str, Service] = {}

    def take(name: str, needed_by: str = "") -> None:
        if name in chosen:
            return
        if name not in active:
            profile = stack.services[needed_by].profiles or ("of every profile",)
            problem = f"{needed_by} depends on {name}, which is not in the profile '{profile[0]}'"
            raise SettingsError(problem, f"Give {name} that profile in the compose file")
        chosen[name] = active[name]
        for other, required in active[name].after:
            if required or other in active:
                take(other, name)

    for name in names or active:
        take(name)
    return tuple(chosen.values())


def known(stack: Stack, names: Iterable[str]) -> None:
    """That every one of `names` is a service. Raises UnknownName."""
    for name in names:
        if name not in stack.services:
            raise UnknownName(f"there is no service '{name}'", did_you_mean(name, list(stack.services)).capitalize())

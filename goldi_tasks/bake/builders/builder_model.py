"""Where builds are done if not by the current builder: the settings `builder.*`, checked, as a builder of buildx."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from goldi_tasks.bake.builders import builder_options
from goldi_tasks.command import Command
from goldi_tasks.errors import SettingsError
from goldi_tasks.settings import Settings

CA, CERT, KEY = "ca.pem", "cert.pem", "key.pem"
# docker's own ways to say which engine it speaks to: one that is not meant is emptied.
_PULL = re.compile(r"failed to resolve reference \"(?:docker\.io/)?(\S+)\".*: ([^:]+)$")
_ENGINE = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


@dataclass(frozen=True)
class Builder:
    """A builder that the settings choose.

    `name` is what buildx calls it, `env` leads docker there, `options` are all that its driver is given, `made` is
    whether buildx has to be told of it first. `context` is the docker context that has to be there, "" for none.
    """

    driver: str
    endpoint: str
    name: str
    env: Mapping[str, str] = field(default_factory=dict)
    options: tuple[tuple[str, str], ...] = ()
    certificates: str = ""
    context: str = ""

    @property
    def made(self) -> bool:
        """Whether it is a builder that we make; the driver docker is an engine's own."""
        return self.driver != "docker"

    @property
    def scheme(self) -> str:
        """How the endpoint is reached: ssh, tcp; "" for a context, a file, or where none is given."""
        return urlsplit(self.endpoint).scheme

    def __str__(self) -> str:
        """For people: `the builder tcp://far:2376 (remote)`."""
        return f"the builder {self.endpoint or 'on the current engine'} ({self.driver})"


def chosen(settings: Settings, configuration: Path) -> Builder | None:
    """The builder that the settings choose, None for buildx's current one. Raises SettingsError.

    What buildx knows of it is in the directory `configuration`.
    """
    driver, endpoint = settings.builder_driver, settings.builder_endpoint
    if not driver:
        if endpoint or settings.builder_options or settings.builder_certificates:
            raise SettingsError(
                "`builder` is set without a driver", "Set builder.driver in [tool.goldi], or remove the rest"
            )
        return None
    builder_options.endpoint(driver, endpoint)
    builder_options.options(driver, settings.builder_options)
    builder_options.certificates(settings)
    context = endpoint if driver in ("docker", "docker-container") and endpoint and "://" not in endpoint else ""
    options = settings.builder_options
    if driver == "remote" and settings.builder_certificates:
        files = {"cacert": CA, "cert": CERT, "key": KEY}
        options += tuple((name, f"{settings.builder_certificates}/{file}") for name, file in files.items())
    said = json.dumps([settings.key, driver, endpoint, options, settings.builder_certificates])
    name = "default" if driver == "docker" else f"goldilocks-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
    if driver == "docker":
        env = _engine(endpoint, context, settings.builder_certificates)
    else:
        # Its own configuration: `docker buildx ls` waits 20 s for each builder of the usual one that does not answer.
        env = {
            "BUILDX_CONFIG": str(configuration),
            **({"KUBECONFIG": endpoint} if driver == "kubernetes" and endpoint else {}),
        }
    return Builder(driver, endpoint, name, env, options, settings.builder_certificates, context)


def create(builder: Builder) -> Command:
    """What makes the builder known to buildx."""
    given = [part for name, value in builder.options for part in ("--driver-opt", _quoted(f"{name}={value}"))]
    where = (builder.endpoint,) if builder.endpoint and builder.driver != "kubernetes" else ()
    argv = ("docker", "buildx", "create", "--name", builder.name, "--driver", builder.driver, *given, *where)
    return Command(argv, builder.env)


def ask(builder: Builder, *, start: bool = False) -> Command:
    """What says whether the builder answers; `start` starts it, where it is started at need."""
    if not builder.made:
        return Command(("docker", "version", "--format", "{{.Server.Version}}"), builder.env)
    return Command(("docker", "buildx", "inspect", *(("--bootstrap",) if start else ()), builder.name), builder.env)


def remove(name: str, configuration: Path) -> Command:
    """What removes a builder that we made, with its cache."""
    return Command(("docker", "buildx", "rm", "--force", name), {"BUILDX_CONFIG": str(configuration)})


def runs(inspected: str) -> bool:
    """Whether one of the nodes in the answer of `docker buildx inspect` runs."""
    return bool(re.search(r"^Status:\s+running$", inspected, re.MULTILINE))


def reason(said: str) -> str:
    """The end of what docker said of a builder that cannot be had: its last line, without what is around the reason."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["no word from it"]
    last = next((line for line in reversed(lines) if "ERROR: " in line or line.startswith("Error:")), lines[-1])
    # `docker version: error during connect: Get "http://...": command [ssh ...] has exited [...] stderr=` and the like.
    last = re.sub(r"^.*?(ERROR: |Error:\s+)|^docker \w+: (error during connect: )?(Get \"\S+\": )?", "", last)
    last = last.rpartition("stderr=")[2]
    return last.removesuffix(". Is the docker daemon running?").rstrip(".")


def boot_failure(said: str) -> str:
    """Why a builder does not start, by what docker said of it."""
    last = reason(said)
    pull = _PULL.search(last)
    return f"{pull[1]} cannot be pulled, {pull[2].strip()}" if pull else last


def _engine(endpoint: str, context: str, certificates: str) -> dict[str, str]:
    """The client's variables for the engine at `endpoint`; none for the current one."""
    if not endpoint:
        return {}
    chosen = {"DOCKER_CONTEXT": context} if context else {"DOCKER_HOST": endpoint}
    if certificates:
        chosen |= {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": certificates}
    return {name: chosen.get(name, "") for name in _ENGINE}


def _quoted(text: str) -> str:
    """A field of CSV, which buildx reads options as."""
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"') else text

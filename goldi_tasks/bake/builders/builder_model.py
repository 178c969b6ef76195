"""Turn the settings `builder.*` into a builder of buildx, and into the commands that create, inspect and remove it."""

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
# How BuildKit reports an image that it cannot pull: its name and the reason.
_PULL_ERROR = re.compile(r"failed to resolve reference \"(?:docker\.io/)?(\S+)\".*: ([^:]+)$")
# The variables that select the engine of the docker client; those that are not used are set to "".
_ENGINE_VARIABLES = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


@dataclass(frozen=True)
class Builder:
    """A builder that the settings choose.

    `name` is its name in buildx, `env` the environment in which docker uses it, `options` are its driver options.
    `certificates` is the directory of the TLS certificates, `context` the docker context that it needs, "" for none.
    """

    driver: str
    endpoint: str
    name: str
    env: Mapping[str, str] = field(default_factory=dict)
    options: tuple[tuple[str, str], ...] = ()
    certificates: str = ""
    context: str = ""

    @property
    def is_created(self) -> bool:
        """Return whether we create it with `docker buildx create`; the driver docker is part of the engine."""
        return self.driver != "docker"

    @property
    def scheme(self) -> str:
        """Return the scheme of the endpoint, such as ssh or tcp; "" for a context, a file, or no endpoint."""
        return urlsplit(self.endpoint).scheme

    def __str__(self) -> str:
        """Return the text for messages: `the builder tcp://far:2376 (remote)`."""
        return f"the builder {self.endpoint or 'on the current engine'} ({self.driver})"


def make_builder(settings: Settings, configuration: Path) -> Builder | None:
    """Return the builder that the settings choose, None for buildx's current one. Raises SettingsError.

    `configuration` is the BUILDX_CONFIG directory in which it is registered.
    """
    driver, endpoint = settings.builder_driver, settings.builder_endpoint
    if not driver:
        if endpoint or settings.builder_options or settings.builder_certificates:
            raise SettingsError(
                "`builder` is set without a driver", "Set builder.driver in [tool.goldi], or remove the other keys"
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
    identity = json.dumps([settings.key, driver, endpoint, options, settings.builder_certificates])
    name = "default" if driver == "docker" else f"goldilocks-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    if driver == "docker":
        env = _engine_environment(endpoint, context, settings.builder_certificates)
    else:
        # A BUILDX_CONFIG of its own: `docker buildx ls` waits 20 s for each registered builder that does not answer.
        env = {
            "BUILDX_CONFIG": str(configuration),
            **({"KUBECONFIG": endpoint} if driver == "kubernetes" and endpoint else {}),
        }
    return Builder(driver, endpoint, name, env, options, settings.builder_certificates, context)


def create(builder: Builder) -> Command:
    """Return the command that registers the builder with buildx."""
    options = [part for name, value in builder.options for part in ("--driver-opt", _quote_csv(f"{name}={value}"))]
    address = (builder.endpoint,) if builder.endpoint and builder.driver != "kubernetes" else ()
    argv = ("docker", "buildx", "create", "--name", builder.name, "--driver", builder.driver, *options, *address)
    return Command(argv, builder.env)


def inspect_command(builder: Builder, *, start: bool = False) -> Command:
    """Return the command that fails if the builder does not answer; with `start` it starts the builder first."""
    if not builder.is_created:
        return Command(("docker", "version", "--format", "{{.Server.Version}}"), builder.env)
    return Command(("docker", "buildx", "inspect", *(("--bootstrap",) if start else ()), builder.name), builder.env)


def remove(name: str, configuration: Path) -> Command:
    """Return the command that removes a builder that we created, with its cache."""
    return Command(("docker", "buildx", "rm", "--force", name), {"BUILDX_CONFIG": str(configuration)})


def is_running(inspected: str) -> bool:
    """Return whether one of the nodes in the output of `docker buildx inspect` is running."""
    return bool(re.search(r"^Status:\s+running$", inspected, re.MULTILINE))


def extract_reason(output: str) -> str:
    """Return the reason in the `output` of a docker command that failed: its last error line, without prefixes."""
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["docker printed no reason"]
    error = next((line for line in reversed(lines) if "ERROR: " in line or line.startswith("Error:")), lines[-1])
    # `docker version: error during connect: Get "http://...": command [ssh ...] has exited [...] stderr=` and the like.
    error = re.sub(r"^.*?(ERROR: |Error:\s+)|^docker \w+: (error during connect: )?(Get \"\S+\": )?", "", error)
    error = error.rpartition("stderr=")[2]
    return error.removesuffix(". Is the docker daemon running?").rstrip(".")


def boot_failure(output: str) -> str:
    """Return why a builder does not start, from the `output` of docker."""
    error = extract_reason(output)
    pull_error = _PULL_ERROR.search(error)
    return f"{pull_error[1]} cannot be pulled, {pull_error[2].strip()}" if pull_error else error


def _engine_environment(endpoint: str, context: str, certificates: str) -> dict[str, str]:
    """Return the environment of the docker client for the engine at `endpoint`; {} for the current one."""
    if not endpoint:
        return {}
    variables = {"DOCKER_CONTEXT": context} if context else {"DOCKER_HOST": endpoint}
    if certificates:
        variables |= {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": certificates}
    return {name: variables.get(name, "") for name in _ENGINE_VARIABLES}


def _quote_csv(text: str) -> str:
    """Quote `text` as a field of CSV, the format in which buildx reads driver options."""
    return '"' + text.replace('"', '""') + '"' if any(character in text for character in ',"') else text

"""Check the settings `builder.*`: endpoint schemes and options of each driver.

Sources: https://docs.docker.com/build/builders/drivers/, and buildx's driver/*/factory.go for what each option takes.
All functions raise SettingsError.
"""

import re
from urllib.parse import urlsplit

from goldi_tasks.errors import SettingsError, did_you_mean
from goldi_tasks.settings import Settings

_SCHEMES = {
    "docker": ("ssh", "tcp", "unix"),
    "docker-container": ("ssh", "tcp", "unix"),
    "remote": ("docker-container", "kube-pod", "ssh", "tcp", "unix"),
}
# Values of options: a regular expression, and its description for messages.
_TEXT, _NUMBER, _BOOLEAN = (".+", "a text"), (r"-?\d+", "a whole number"), ("true|false", "true or false")
_BYTES = (r"\d+[bkmgBKMG]?", "a size such as 512m")
_CPU = (r"\d+(\.\d+)?m?", "CPUs such as 2 or 100m")
_QUANTITY = (r"\d+(\.\d+)?([kMGTPE]i?|Ki|m)?", "a size such as 500Mi")
_PAIRS = (r"[^=,]+=[^=,]*(,[^=,]+=[^=,]*)*", "names and values, a=b,c=d")
_OPTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "docker": {},
    "docker-container": {
        **dict.fromkeys(("image", "network", "cgroup-parent", "cpuset-cpus", "cpuset-mems"), _TEXT),
        **dict.fromkeys(("cpu-period", "cpu-quota", "cpu-shares"), _NUMBER),
        "memory": _BYTES,
        "memory-swap": (rf"-1|{_BYTES[0]}", _BYTES[1]),
        "restart-policy": (r"no|always|unless-stopped|on-failure(:\d+)?", "a restart policy of docker"),
    },
    "remote": {"servername": _TEXT},
    "kubernetes": {
        **dict.fromkeys(("image", "namespace", "qemu.image", "schedulername", "serviceaccount", "tolerations"), _TEXT),
        **dict.fromkeys(("requests.cpu", "limits.cpu"), _CPU),
        **{
            f"{kind}.{resource}": _QUANTITY
            for kind in ("requests", "limits")
            for resource in ("memory", "ephemeral-storage")
        },
        **dict.fromkeys(("annotations", "labels", "nodeselector"), _PAIRS),
        **dict.fromkeys(("rootless", "qemu.install"), _BOOLEAN),
        "replicas": (r"[1-9]\d*", "a number above 0"),
        "loadbalance": ("sticky|random", "sticky or random"),
        "timeout": (r"(\d+(\.\d+)?(ms|s|m|h))+", "a time such as 120s"),
    },
}


def endpoint(driver: str, endpoint: str) -> None:
    """Check that `driver` can use `endpoint`. Raises SettingsError."""
    if driver == "kubernetes":
        if endpoint and not endpoint.startswith("/"):
            raise SettingsError(
                f"builder.endpoint '{endpoint}' is no kubeconfig file",
                "Set it to an absolute path; its current context is used",
            )
        return
    if not endpoint:
        if driver == "remote":
            raise SettingsError("the driver remote needs builder.endpoint", "Set it, for example to tcp://host:1234")
        return
    schemes = _SCHEMES[driver]
    if "://" not in endpoint:
        if driver == "remote" or not re.fullmatch(r"[a-zA-Z0-9][\w.+-]+", endpoint):
            prefixes = " or ".join(f"{scheme}://" for scheme in schemes)
            raise SettingsError(f"builder.endpoint '{endpoint}' has no scheme", f"Begin it with {prefixes}")
        return
    scheme, rest = endpoint.split("://", 1)
    if scheme not in schemes:
        raise SettingsError(
            f"builder.endpoint has the unknown scheme '{scheme}'", did_you_mean(scheme, schemes).capitalize()
        )
    if not rest or re.search(r"\s", rest):
        raise SettingsError(f"builder.endpoint '{endpoint}' has no host or path", f"Write it like {_example(scheme)}")
    if scheme in ("tcp", "ssh"):
        _check_host(endpoint, scheme)


def _check_host(endpoint: str, scheme: str) -> None:
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = "", None
    if not host or (scheme == "tcp" and not port):
        raise SettingsError(f"builder.endpoint '{endpoint}' has no host and port", f"Write it like {_example(scheme)}")


def _example(scheme: str) -> str:
    examples = {"ssh": "ssh://me@host", "tcp": "tcp://host:2376", "unix": "unix:///run/buildkit/buildkitd.sock"}
    return examples.get(scheme, f"{scheme}://name")


def options(driver: str, options: tuple[tuple[str, str], ...]) -> None:
    """Check that `driver` has these options, and that each value has the right type. Raises SettingsError."""
    known_options = _OPTIONS[driver]
    for name, value in options:
        is_variable = driver == "docker-container" and name.startswith("env.") and len(name) > 4
        if not known_options and not is_variable:
            raise SettingsError(f"the driver {driver} takes no options, and builder.options has '{name}'", "Remove it")
        if name not in known_options and not is_variable:
            remedy = did_you_mean(name, tuple(known_options)).capitalize()
            raise SettingsError(f"the driver {driver} has no option '{name}'", remedy)
        pattern, description = known_options.get(name, _TEXT)
        if not re.fullmatch(pattern, value):
            raise SettingsError(
                f"builder.options: {name} must be {description}, not '{value}'",
                "See the driver's page in docker's docs",
            )


def certificates(settings: Settings) -> None:
    """Check that the endpoint uses TLS if certificates are set. Raises SettingsError."""
    driver, endpoint = settings.builder_driver, settings.builder_endpoint
    if not settings.builder_certificates:
        return
    if driver == "docker-container":
        # buildx: "could not create a builder instance with TLS data loaded from environment".
        remedy = "Create a context with `docker context create`, and set builder.endpoint to its name"
        raise SettingsError("buildx takes the certificates of a docker-container builder from a docker context", remedy)
    if not endpoint.startswith("tcp://"):
        text = f"'{endpoint}'" if endpoint else "not set"
        raise SettingsError(f"builder.certificates are for tcp://, and builder.endpoint is {text}", "Remove them")

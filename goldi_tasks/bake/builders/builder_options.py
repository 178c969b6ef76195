"""What may be written for `builder.*`: schemes and options by driver.

Sources: https://docs.docker.com/build/builders/drivers/, and buildx's driver/*/factory.go for what each option takes.
All raise SettingsError.
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
_TEXT, _NUMBER, _YES = (".+", "a text"), (r"-?\d+", "a whole number"), ("true|false", "true or false")
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
        **{f"{kind}.{of}": _QUANTITY for kind in ("requests", "limits") for of in ("memory", "ephemeral-storage")},
        **dict.fromkeys(("annotations", "labels", "nodeselector"), _PAIRS),
        **dict.fromkeys(("rootless", "qemu.install"), _YES),
        "replicas": (r"[1-9]\d*", "a number above 0"),
        "loadbalance": ("sticky|random", "sticky or random"),
        "timeout": (r"(\d+(\.\d+)?(ms|s|m|h))+", "a time such as 120s"),
    },
}


def endpoint(driver: str, endpoint: str) -> None:
    """That an endpoint is one for `driver`."""
    where = "builder.endpoint"
    if driver == "kubernetes":
        if endpoint and not endpoint.startswith("/"):
            raise SettingsError(
                f"{where} '{endpoint}' is no kubeconfig file", "Give its absolute path; the context is its own"
            )
        return
    if not endpoint:
        if driver == "remote":
            raise SettingsError("the driver remote needs builder.endpoint", "Set it, such as tcp://host:1234")
        return
    known = _SCHEMES[driver]
    if "://" not in endpoint:
        if driver == "remote" or not re.fullmatch(r"[a-zA-Z0-9][\w.+-]+", endpoint):
            wanted = " or ".join(f"{scheme}://" for scheme in known)
            raise SettingsError(f"{where} '{endpoint}' does not say how to get there", f"Begin it with {wanted}")
        return
    scheme, rest = endpoint.split("://", 1)
    if scheme not in known:
        raise SettingsError(f"{where} has the unknown scheme '{scheme}'", did_you_mean(scheme, known).capitalize())
    if not rest or re.search(r"\s", rest):
        raise SettingsError(f"{where} '{endpoint}' names nothing", f"Write it out, such as {_example(scheme)}")
    if scheme in ("tcp", "ssh"):
        _host(endpoint, scheme)


def _host(endpoint: str, scheme: str) -> None:
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = "", None
    if not host or (scheme == "tcp" and not port):
        raise SettingsError(f"builder.endpoint '{endpoint}' has no host and port", f"Write it like {_example(scheme)}")


def _example(scheme: str) -> str:
    shown = {"ssh": "ssh://me@host", "tcp": "tcp://host:2376", "unix": "unix:///run/buildkit/buildkitd.sock"}
    return shown.get(scheme, f"{scheme}://name")


def options(driver: str, options: tuple[tuple[str, str], ...]) -> None:
    """That these options are known to `driver`, each with a value of its kind."""
    known = _OPTIONS[driver]
    for name, value in options:
        environment = driver == "docker-container" and name.startswith("env.") and len(name) > 4
        if not known and not environment:
            raise SettingsError(f"the driver {driver} takes no options, and builder.options has '{name}'", "Remove it")
        if name not in known and not environment:
            remedy = did_you_mean(name, tuple(known)).capitalize()
            raise SettingsError(f"the driver {driver} has no option '{name}'", remedy)
        shape, told = known.get(name, _TEXT)
        if not re.fullmatch(shape, value):
            raise SettingsError(
                f"builder.options: {name} must be {told}, not '{value}'", "See the driver's page in docker's docs"
            )


def certificates(settings: Settings) -> None:
    """That certificates are given where they are used."""
    driver, endpoint = settings.builder_driver, settings.builder_endpoint
    if not settings.builder_certificates:
        return
    if driver == "docker-container":
        # buildx: "could not create a builder instance with TLS data loaded from environment".
        remedy = "Make a context with `docker context create`, and set builder.endpoint to its name"
        raise SettingsError("buildx takes the certificates of a docker-container builder from a docker context", remedy)
    if not endpoint.startswith("tcp://"):
        said = f"'{endpoint}'" if endpoint else "none"
        raise SettingsError(f"builder.certificates are for tcp://, and builder.endpoint is {said}", "Remove them")

"""Define the table of keys: name, variable, field of Settings, and the function that checks a value."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from goldi_tasks import paths, units
from goldi_tasks.settings import values

ROOTS = "cache-roots."
BACKENDS = ("local", "registry", "gha", "inline", "none")
DRIVERS = ("docker", "docker-container", "remote", "kubernetes")


@dataclass(frozen=True)
class Key:
    """A key of `[tool.goldi]`: the `variable` that overrides it, its `field` in Settings, and how a value is read.

    `check` takes a value and its source, for messages, and raises SettingsError.
    """

    variable: str
    field: str
    check: Callable[[object, str], Any]


KEYS: dict[str, Key] = {
    "app": Key("GOLDI_APP", "app", values.inside),
    "image": Key("GOLDI_IMAGE", "image", values.text),
    "cache-root": Key("GOLDI_CACHE_ROOT", "cache_root", values.directory),
    "images.python": Key("PYTHON_IMAGE", "python_image", values.text),
    "images.node": Key("NODE_IMAGE", "node_image", values.text),
    "images.postgres": Key("POSTGRES_IMAGE", "postgres_image", values.text),
    "ca-bundle": Key("GOLDI_CA_BUNDLE", "ca_bundle", values.file),
    "installer": Key("GOLDI_INSTALLER", "installer", values.one_of("uv", "pip")),
    "smoke-test": Key("GOLDI_SMOKE_TEST", "smoke_test", values.switch),
    "host-network": Key("GOLDI_HOST_NETWORK", "host_network", values.one_of("all", "no-logins", "none")),
    "run": Key("GOLDI_RUN", "run", values.one_of("container", "host")),
    "warm": Key("GOLDI_WARM", "warm", values.switch),
    "idle-minutes": Key("GOLDI_IDLE_MINUTES", "idle_minutes", values.minutes),
    **{
        f"{ROOTS}{cache.name}": Key(cache.root_variable, f"{ROOTS}{cache.name}", values.directory)
        for cache in paths.CACHES
    },
    "registry": Key("GOLDI_REGISTRY", "registry", values.repository),
    "main-branch": Key("GOLDI_MAIN_BRANCH", "main_branch", values.text),
    "cache.backend": Key("GOLDI_CACHE_BACKEND", "cache_backend", values.one_of(*BACKENDS)),
    "cache.ref": Key("GOLDI_CACHE_REF", "cache_ref", values.repository),
    "images.scanner": Key("SCANNER_IMAGE", "scanner_image", values.text),
    "builder.driver": Key("GOLDI_BUILDER_DRIVER", "builder_driver", values.one_of(*DRIVERS)),
    "builder.endpoint": Key("GOLDI_BUILDER_ENDPOINT", "builder_endpoint", values.text),
    "builder.options": Key("GOLDI_BUILDER_OPTIONS", "builder_options", values.options),
    "builder.certificates": Key("GOLDI_BUILDER_CERTIFICATES", "builder_certificates", values.folder),
    "builder.fallback": Key("GOLDI_BUILDER_FALLBACK", "builder_fallback", values.switch),
    "max-age": Key("GOLDI_MAX_AGE", "max_age", units.age),
    "max-size": Key("GOLDI_MAX_SIZE", "max_size", units.size),
}
VARIABLES = tuple(key.variable for key in KEYS.values())

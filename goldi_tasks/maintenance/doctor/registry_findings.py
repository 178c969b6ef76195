"""Check registries and their mirrors: whether base images are available."""

from collections.abc import Iterator

from goldi_tasks.client import registry_errors
from goldi_tasks.maintenance.doctor.facts import Answers
from goldi_tasks.maintenance.doctor.finding import Finding

HUB = "registry-1.docker.io"


def findings(answers: Answers) -> Iterator[Finding]:
    """Yield registries that do not answer, and mirrors that the engine asks first."""
    for registry in answers.registries:
        if registry.answers:
            continue
        if registry.image:
            what = f"{registry.host} does not answer, and {registry.image} is not on this machine"
            remedy = "Run `inv engine.up`, which builds base images without a registry, or choose images of a mirror"
            yield Finding("registry", "warning", what, remedy)
        else:
            what = f"{registry.host} does not answer: newer base images are not available"
            yield Finding("registry", "note", what, "Builds use the images on this machine")
    mirrors = (answers.info.get("RegistryConfig") or {}).get("Mirrors") or []
    if mirrors:
        yield Finding("registry-mirrors", "note", f"the engine asks {', '.join(mirrors)} before {HUB}")


def host(image: str) -> str:
    """Return the registry of an image: the first part of its name if that can be a host, else Docker Hub."""
    registry = registry_errors.host(image)
    return HUB if registry in ("docker.io", "index.docker.io") else registry

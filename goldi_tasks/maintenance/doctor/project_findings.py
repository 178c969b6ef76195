"""Check what the project has on this machine: its .env, its compose volumes, its builder."""

from collections.abc import Iterator, Mapping

from goldi_tasks.maintenance.doctor.facts import Answers
from goldi_tasks.maintenance.doctor.finding import Finding, Fix


def findings(answers: Answers) -> Iterator[Finding]:
    """Yield what no longer agrees with the settings."""
    if answers.env is not None:
        yield from _env(answers.env, answers.expected_env)
    if answers.settings_builder:
        what = f"the settings choose the builder {answers.settings_builder}: the current one was checked instead"
        yield Finding("builder-elsewhere", "note", what, "Run `inv build.builder` to check the other")
    for name, device in sorted(answers.volumes.items()):
        if device not in answers.cache_paths:
            what = f"the volume {name} still uses {device}, which is no cache directory of the settings"
            remedy = "Run `inv compose.down` and `inv compose.up`, unless the compose file names it; no file is lost"
            yield Finding("volume-stale", "note", what, remedy)


def _env(env: Mapping[str, str], settings: Mapping[str, str]) -> Iterator[Finding]:
    if "GOLDI_CACHE_ROOT" not in env:
        what = "the project's .env does not say where the caches are: plain `docker compose` uses its default"
        yield Finding("env-missing", "note", what, "Run `inv cache.setup`", Fix("env"))
        return
    for name in settings:
        if env.get(name) != settings[name]:
            what = f"the project's .env has {name}={env.get(name, '')}, but it should be {settings[name]}"
            yield Finding("env-stale", "warning", what, "Run `inv cache.setup`", Fix("env"))

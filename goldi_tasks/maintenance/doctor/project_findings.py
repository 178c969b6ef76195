"""What the project says of this machine: its .env, the compose volumes made by it, its builder."""

from collections.abc import Iterator, Mapping

from goldi_tasks.maintenance.doctor.facts import Answers
from goldi_tasks.maintenance.doctor.finding import Finding, Mend


def findings(answers: Answers) -> Iterator[Finding]:
    """What is no longer as the settings have it."""
    if answers.env is not None:
        yield from _env(answers.env, answers.wanted)
    if answers.elsewhere:
        what = f"the settings choose the builder {answers.elsewhere}: the current one was checked instead"
        yield Finding("builder-elsewhere", "note", what, "Run `inv build.builder` to check the other")
    for name, device in sorted(answers.volumes.items()):
        if device not in answers.homes:
            what = f"the volume {name} still uses {device}, which is no cache directory of the settings"
            remedy = "Run `inv compose.down` and `inv compose.up`, unless the compose file names it; no file is lost"
            yield Finding("volume-stale", "note", what, remedy)


def _env(env: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[Finding]:
    if "GOLDI_CACHE_ROOT" not in env:
        what = "the project's .env does not say where the caches are: plain `docker compose` uses its default"
        yield Finding("env-missing", "note", what, "Run `inv cache.setup`", Mend("env"))
        return
    for name in wanted:
        if env.get(name) != wanted[name]:
            what = f"the project's .env has {name}={env.get(name, '')}, but it should be {wanted[name]}"
            yield Finding("env-stale", "warning", what, "Run `inv cache.setup`", Mend("env"))

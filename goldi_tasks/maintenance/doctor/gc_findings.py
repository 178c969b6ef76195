"""Predict which cache mounts the builder's garbage collection drops, and when, from `docker buildx inspect`.

A rule matches by any of its filters, a filter by all of its parts: a comma means `and`. So BuildKit's own rule for what
was not used for 48 hours never matched until moby/buildkit#6856 (2026-06). Every bound is compared with the whole build
cache, not with what the filters match.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from goldi_tasks.maintenance.doctor.facts import Answers
from goldi_tasks.maintenance.doctor.finding import Finding, Severity
from goldi_tasks.units import format_size

MOUNT, LAYER = "exec.cachemount", "regular"
# Hours without use after which dropping a mount is no loss.
LONG = 30 * 24.0
_UNITS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", 1)}
_HOURS = {"h": 1.0, "m": 1 / 60, "s": 1 / 3600}


@dataclass(frozen=True)
class Rule:
    """A GC rule: it drops what was not used for `hours` (0: any time) until `keep` bytes are left (0: no such bound).

    `reserved` and `free` came with BuildKit 0.17: it drops while less than `free` bytes of the disk are left, but keeps
    `reserved` bytes.
    """

    filters: tuple[str, ...] = ()
    hours: float = 0.0
    keep: float = 0.0
    reserved: float = 0.0
    free: float = 0.0

    def drops(self, kind: str) -> bool:
        """Return whether records of this type fall under it."""
        return not self.filters or any(_matches(text, kind) for text in self.filters)

    @property
    def bounded(self) -> bool:
        """Return whether it waits until the cache is too large or the disk too full."""
        return bool(self.keep or self.reserved or self.free)


def check_gc_policy(answers: Answers) -> Iterator[Finding]:
    """Yield which cache mounts the builder will drop, when, and how to keep them."""
    running = re.search(r"^Status:\s+running$", answers.inspect, re.M)
    if not running:
        return
    nodes = parse(answers.inspect)
    if not any(nodes):
        what = f"the builder {answers.builder} has no garbage collection: its cache grows until the disk is full"
        yield Finding("collection-off", "warning", what, _remedy(answers))
    unique_losses = dict.fromkeys(loss for rules in nodes for loss in losses(rules))
    for severity, when in unique_losses:
        what = f"cache mounts of the builder {answers.builder} are dropped {when}"
        yield Finding("collection", severity, what, _remedy(answers))


def parse(inspect: str) -> list[list[Rule]]:
    """Parse the output of `docker buildx inspect` into the GC rules of each node."""
    nodes = re.split(r"^Name:.*$", inspect, flags=re.M)[2:]
    return [[_rule(text) for text in re.split(r"^GC Policy rule#\d+:.*$", node, flags=re.M)[1:]] for node in nodes]


def losses(rules: Sequence[Rule]) -> Iterator[tuple[Severity, str]]:
    """Yield severity and time of each rule that drops cache mounts; none if layers go first, or after long disuse."""
    layers_first = False
    for rule in rules:
        if rule.drops(MOUNT) and not _is_harmless(rule, layers_first):
            soon = rule.hours < LONG if rule.hours else not rule.bounded
            yield "warning" if soon else "note", _describe(rule)
            if not rule.hours:
                # Later rules find less to drop.
                return
        layers_first = layers_first or (rule.drops(LAYER) and not rule.drops(MOUNT) and not rule.hours)


def _is_harmless(rule: Rule, layers_first: bool) -> bool:
    """Return whether it drops only unused mounts, or mounts only if dropping layers was not enough."""
    return rule.bounded and (rule.hours >= LONG or (layers_first and not rule.drops(LAYER)))


def _describe(rule: Rule) -> str:
    unused = f"{_format_hours(rule.hours)} after their last use" if rule.hours else ""
    order = "" if rule.hours else f"{'with layers, ' if rule.drops(LAYER) else ''}the least recently used first"
    bounds = []
    if rule.free:
        bounds.append(f"less than {format_size(rule.free)} of the disk is free")
    if keep := max(rule.keep, 0 if rule.free else rule.reserved):
        bounds.append(f"the build cache is larger than {format_size(keep)}")
    return ", ".join(filter(None, [unused, order, f"once {' or '.join(bounds)}" if bounds else ""]))


def _remedy(answers: Answers) -> str:
    if answers.docker and answers.docker.driver == "docker":
        return "Set `builder.gc` in the engine's daemon.json to rules that keep them, as `inv engine.up` does"
    return "Run `inv build.builder --reset`: it deletes the builder's cache, and sets rules that keep cache mounts"


def _rule(text: str) -> Rule:
    fields = dict(re.findall(r"^\s+([A-Z][A-Za-z ]+?):[ \t]*(.*?)\s*$", text, re.M))
    return Rule(
        filters=tuple(fields.get("Filters", "").split()),
        hours=_hours(fields.get("Keep Duration", "")),
        keep=_bytes(fields.get("Keep Bytes") or fields.get("Max Used Space", "")),
        reserved=_bytes(fields.get("Reserved Space", "")),
        free=_bytes(fields.get("Min Free Space", "")),
    )


def _matches(text: str, kind: str) -> bool:
    """Return whether a containerd filter may match records of type `kind`; only its conditions on the type count."""
    for condition in text.split(","):
        match = re.fullmatch(r"type(==|!=|~=)(.*)", condition)
        if match and not _compare(match[1], match[2].strip('"'), kind):
            return False
    return True


def _compare(operator: str, value: str, kind: str) -> bool:
    if operator == "~=":
        try:
            return re.search(value, kind) is not None
        except re.error:
            return True
    return (kind == value) is (operator == "==")


def _hours(text: str) -> float:
    """Parse `48h0m0.1s` into hours."""
    return sum(float(number) * _HOURS[unit] for number, unit in re.findall(r"([\d.]+)([hms])(?![a-z])", text))


def _bytes(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)\s*([A-Za-z]+)", text)
    return float(match[1]) * _UNITS.get(match[2], 0) if match else 0.0


def _format_hours(hours: float) -> str:
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.2g} hours"

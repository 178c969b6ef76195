"""Build images, and push them."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from invoke.context import Context

from goldi_tasks import settings as project
from goldi_tasks import wiring
from goldi_tasks.bake.build_request import Wanted
from goldi_tasks.bake.cache_backends import check_from, check_tag
from goldi_tasks.paths import TARGETS
from goldi_tasks.tasks._task import task
from goldi_tasks.tasks.build._json import print_json

_OPTIONS: dict[str, Any] = {
    "iterable": ["set", "cache_from"],
    "help": {
        "no_cache": "Run every step, take nothing from a cache.",
        "set": "Override a target's value as bake does, TARGET.KEY=VALUE; may be repeated.",
        "platform": "Platforms, such as linux/amd64,linux/arm64; the engine's own by default.",
        "push": "Push the images to their registry, as build.push does.",
        "cache_from": "A cache to read beside ours, such as type=registry,ref=HOST/NAME:TAG; may be repeated.",
        "pull": "Look for newer base images.",
        "force": "Ask the builder even if nothing changed.",
        "keep_cache": "Export the local cache even if little is new in it.",
        "progress": "How the work is shown: tty (live), brief (what ran), plain (all), quiet, rawjson (buildx's own "
        "events), or auto: live on a terminal, else brief.",
        "json": "Print the summary for scripts; the progress goes to standard error.",
    },
}


def _build(targets: tuple[str, ...], options: dict[str, Any]) -> None:
    """What every build task calls, with its own locals as `options`."""
    settings = project.load(Path.cwd())
    platforms = tuple(part.strip() for part in options["platform"].split(",") if part.strip())
    wanted = Wanted(
        targets=targets,
        no_cache=options["no_cache"],
        sets=tuple(options["set"] or ()),
        platforms=platforms,
        push=options["push"],
        pull=options["pull"],
        force=options["force"] or options["keep_cache"],
        keep_cache=options["keep_cache"],
        progress=options["progress"],
        tags=tuple(map(check_tag, options.get("tag") or ())),
        cache_from=tuple(map(check_from, options["cache_from"] or ())),
        scanner=wiring.scanner(settings) if options.get("sbom") else "",
    )

    if not options["json"]:
        wiring.build(settings, wanted, here=False)
        return
    from goldi_tasks.bake import summary

    out = sys.stdout
    # Whatever else is said on the way is not for scripts.
    with redirect_stdout(sys.stderr):
        wiring.build(settings, wanted, lambda found: print_json(summary.as_json(found), out), here=False)


def _task(name: str, targets: tuple[str, ...], doc: str) -> Any:
    """A task that builds `targets`; these tasks differ in nothing else."""

    def body(
        c: Context,
        no_cache: bool = False,
        set: Sequence[str] | None = None,
        platform: str = "",
        push: bool = False,
        cache_from: Sequence[str] | None = None,
        pull: bool = False,
        force: bool = False,
        keep_cache: bool = False,
        progress: str = "auto",
        json: bool = False,
    ) -> None:
        _build(targets, locals())

    body.__doc__ = doc
    return task(name=name, **_OPTIONS)(body)


prod = _task("prod", ("production",), "Build the production image.")
dev = _task("dev", ("development",), "Build what development needs: the tools and devcontainer images.")
tools = _task("tools", ("tools",), "Build the image that the checks run in.")
devcontainer = _task("devcontainer", ("devcontainer",), "Build the dev container's image.")
every = _task("all", TARGETS, "Build every image.")


@task(name="target", positional=["name"], **_OPTIONS)
def target(
    c: Context,
    name: str,
    no_cache: bool = False,
    set: Sequence[str] | None = None,
    platform: str = "",
    push: bool = False,
    cache_from: Sequence[str] | None = None,
    pull: bool = False,
    force: bool = False,
    keep_cache: bool = False,
    progress: str = "auto",
    json: bool = False,
) -> None:
    """Build a target or group of the bake file by its name."""
    _build((name,), locals())


@task(
    iterable=["set", "cache_from", "tag"],
    help={
        **{name: text for name, text in _OPTIONS["help"].items() if name not in ("push", "force")},
        "target": "The target or group that is built and pushed.",
        "tag": "A tag instead of the bake file's; may be repeated.",
        "sbom": "List the packages in an attestation, where the image that does it can be had.",
    },
)
def push(
    c: Context,
    target: str = "production",
    tag: Sequence[str] | None = None,
    platform: str = "",
    cache_from: Sequence[str] | None = None,
    sbom: bool = True,
    set: Sequence[str] | None = None,
    no_cache: bool = False,
    pull: bool = False,
    keep_cache: bool = False,
    progress: str = "auto",
    json: bool = False,
) -> None:
    """Build an image and push it: with provenance, labels, and caches for those who build it next."""
    _build((target,), {**locals(), "push": True, "force": True})

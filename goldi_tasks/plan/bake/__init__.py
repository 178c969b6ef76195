"""What `docker buildx bake` is called with, for any buildx from 0.13 and both image stores.

`wanted` is what somebody asked for, `variables` and `commands` what follows from it; `caches` and `output` are the
parts of a command that differ most by engine.
"""

from goldi_tasks.plan.bake.beyond import NOTHING, Beyond, check_pushed, local, of_bake, reach, unread
from goldi_tasks.plan.bake.caches import allowed, cache_directory, keeps, keeps_local_cache
from goldi_tasks.plan.bake.commands import alone, anew, build, export, keep, show
from goldi_tasks.plan.bake.output import builder
from goldi_tasks.plan.bake.stores import Store, check_from, check_tag, choose, lacks
from goldi_tasks.plan.bake.variables import variables
from goldi_tasks.plan.bake.wanted import PLATFORMS, Wanted, check, members, public

__all__ = [
    "NOTHING",
    "PLATFORMS",
    "Beyond",
    "Store",
    "Wanted",
    "allowed",
    "alone",
    "anew",
    "build",
    "builder",
    "cache_directory",
    "check",
    "check_from",
    "check_pushed",
    "check_tag",
    "choose",
    "export",
    "keep",
    "keeps",
    "keeps_local_cache",
    "lacks",
    "local",
    "members",
    "of_bake",
    "public",
    "reach",
    "show",
    "unread",
    "variables",
]

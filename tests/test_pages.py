"""The pages that people read, held against the tables that they repeat."""

import re

from invoke.collection import Collection

from goldi_tasks import errors, paths
from goldi_tasks.settings.keys import KEYS, ROOTS
from goldi_tasks.tasks import build, cache, ci, compose, devcontainer, engine
from tests.conftest import REPO

PAGES = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]


def rows(first: str) -> list[list[str]]:
    """The rows of the table whose first column has the title `first`, wherever it stands, without ticks."""
    for page in PAGES:
        found = re.search(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", page.read_text("utf-8"), re.M)
        if found:
            lines = found.group(1).splitlines()
            return [[cell.strip().replace("`", "") for cell in line.strip("|").split(" | ")] for line in lines]
    raise LookupError(first)


def test_every_setting_has_a_row_with_its_variable() -> None:
    told = {key: variable for key, variable, *_ in rows("`[tool.goldi]`")}
    known = {name: key.variable for name, key in KEYS.items() if not name.startswith(ROOTS)}
    assert told == known | {"cache-roots.NAME": "GOLDI_CACHE_ROOT_NAME"}


def test_every_exit_code_has_a_row() -> None:
    codes = {str(kind.code) for kind in errors.GoldiError.__subclasses__() if kind is not errors.CommandFailed}
    assert {code for code, _ in rows("code")} == codes | {"buildx's own", "130"}


def test_every_cache_has_a_row() -> None:
    told = {name: (scope, filled_by) for name, scope, filled_by in rows("directory")}
    assert told == {cache.name: (cache.scope, cache.filled_by) for cache in paths.CACHES}


def test_every_task_says_what_it_can_remove_and_asks() -> None:
    namespaces = Collection(build, cache, ci, compose, devcontainer, engine)
    tasks = {name: namespaces[name] for name in namespaces.task_names}
    told = {name: asks for names, _, asks in rows("what was typed") for name in names.split(", ")}
    page = (REPO / "docs/reference.md").read_text("utf-8")
    harmless = set(re.findall(r"`([a-z.-]+)`", page[page.index("All other tasks only show") :]))
    assert told.keys() | harmless == tasks.keys()
    assert not told.keys() & harmless
    for name, task in tasks.items():
        takes_yes = "yes" in {argument.name for argument in task.get_arguments(ignore_unknown_help=True)}
        assert takes_yes == ("--yes" in told.get(name, "")), name


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"

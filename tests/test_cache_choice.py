from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldi_tasks.cache import last_use
from goldi_tasks.maintenance.prune import in_use, policy, tool_commands
from goldi_tasks.maintenance.prune.policy import Limits, PruneRequest
from goldi_tasks.maintenance.usage.sizes import CacheUsage, ProjectSize
from goldi_tasks.paths import CACHES, project_key

NOW, DAY = 2_000_000_000.0, 86400.0


def part(name: str, days: float, size: int = 10) -> ProjectSize:
    return ProjectSize(f"{name}-0123abcd", "", size, 1, NOW - days * DAY)


def cache(name: str, *parts: ProjectSize, refused: str = "") -> CacheUsage:
    total = sum(one.bytes for one in parts)
    return CacheUsage(name, "project", Path("/c") / name, True, True, total, 2, NOW, refused=refused, projects=parts)


def keys(found: list[CacheUsage], asked: PruneRequest, gone: tuple[str, ...] = ()) -> list[str]:
    rows = policy.choose_rows(found, asked, NOW, lambda key: key in gone)
    return [f"{row.what}/{row.key[:-9]}" for row in rows if row.how == "remove"]


def test_by_age() -> None:
    found = [cache("mypy-cache", part("a", 3), part("b", 1)), cache("ruff-cache", part("a", 5))]
    assert keys(found, PruneRequest(Limits(age=2 * DAY))) == ["mypy-cache/a", "ruff-cache/a"]
    assert keys(found, PruneRequest(Limits(age=2 * DAY), names=("ruff-cache",))) == ["ruff-cache/a"]
    assert keys(found, PruneRequest(Limits())) == []


def test_by_size_the_oldest_first_after_what_goes_anyway() -> None:
    found = [cache("mypy-cache", part("a", 3), part("b", 1)), cache("ruff-cache", part("c", 5), part("d", 2))]
    assert keys(found, PruneRequest(Limits(size=25))) == ["ruff-cache/c", "mypy-cache/a"]
    assert keys(found, PruneRequest(Limits(age=4 * DAY, size=25))) == ["ruff-cache/c", "mypy-cache/a"]
    assert keys(found, PruneRequest(Limits(size=40))) == []


def test_what_stays() -> None:
    """What was used within the hour, the current project's, what is not ours, what is no project's."""
    odd = replace(part("x", 9), key="no key")
    found = [
        cache("mypy-cache", part("a", 0.01), part("own", 9), odd),
        cache("ruff-cache", part("a", 9), refused="a link"),
    ]
    asked = PruneRequest(Limits(age=1, size=1), current="own-0123abcd")
    assert keys(found, asked) == []
    assert keys(found, replace(asked, names=("mypy-cache",))) == ["mypy-cache/own"]


def test_what_is_gone_or_was_left_behind_goes_without_a_limit() -> None:
    left = replace(part("x", 0), key=f"{policy.TRASH}0123456789ab")
    rows = policy.choose_rows([cache("mypy-cache", part("a", 1), left)], PruneRequest(Limits()), NOW, lambda key: True)
    assert [row.why for row in rows] == ["its project is gone", "left by an interrupted prune"]


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 1000)), max_size=8),
    st.integers(1, 3000),
    st.floats(0, 50),
)
def test_no_more_goes_than_the_limits_ask_for(made: list[tuple[float, int]], size: int, age: float) -> None:
    found = [cache("mypy-cache", *(part(f"p{n}", days, number) for n, (days, number) in enumerate(made)))]
    rows = policy.choose_rows(found, PruneRequest(Limits(age * DAY, size)), NOW, lambda key: False)
    total, last = found[0].bytes, sum(row.bytes for row in rows[:-1])
    assert len({row.key for row in rows}) == len(rows)
    assert all(NOW - row.last_use > last_use.FRESH for row in rows)
    if rows and rows[-1].why.startswith(policy.OVER_LIMIT):
        assert total - last > size, "the last one was needed"
    stays = total - sum(row.bytes for row in rows)
    fresh = sum(one.bytes for one in found[0].projects if NOW - one.last_use <= last_use.FRESH)
    assert stays <= max(size, fresh)


def test_who_holds_a_directory(tmp_path: Path) -> None:
    folder = tmp_path / "mypy-cache" / "a-0123abcd"
    assert in_use.is_mounted([folder], folder)
    assert in_use.is_mounted([folder / "deep"], folder)
    assert in_use.is_mounted([folder.parent], folder)
    assert in_use.is_mounted(None, folder)
    assert not in_use.is_mounted([Path("/"), tmp_path, folder.with_name("b-0123abcd")], folder)


def test_a_project_is_gone_where_the_directory_that_held_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    project = tmp_path / "work" / "pröject"
    project.mkdir(parents=True)
    key = project_key(project)
    assert not last_use.is_project_deleted(key), "nothing is known of it"
    last_use.record_project_path(key, project)
    assert (last_use.read_project_path(key), last_use.is_project_deleted(key)) == (project, False)
    project.rmdir()
    assert not last_use.is_project_deleted(key), "an empty directory may be where a disk was"
    (tmp_path / "work" / "other").mkdir()
    assert last_use.is_project_deleted(key)


def test_the_rows_have_names_of_the_table() -> None:
    assert tool_commands.COMMANDS.keys() <= {cache.name for cache in CACHES if cache.scope == "shared"}

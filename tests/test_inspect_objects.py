"""What exists is described, also where something else was removed in between."""

import json

import pytest

from goldi_tasks import process
from goldi_tasks.client.inspect_objects import inspect_objects
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """An engine with the volumes `a` and `c`, and one that cannot be read."""
    name_lists: list[tuple[str, ...]] = []

    def capture(command: Command) -> str:
        names = command.argv[4:]
        name_lists.append(names)
        if "broken" in names:
            raise CommandFailed("docker volume: permission denied", 1)
        if not {*names} <= {"a", "c"}:
            raise CommandFailed("docker volume: Error response from daemon: get b: no such volume", 1)
        return json.dumps([{"Name": name} for name in names])

    monkeypatch.setattr(process, "capture", capture)
    return name_lists


def test_what_was_removed_meanwhile_takes_nothing_else_along(calls: list[tuple[str, ...]]) -> None:
    assert inspect_objects("volume", ["a", "b", "c"]) == [{"Name": "a"}, {"Name": "c"}]
    assert calls == [("a", "b", "c"), ("a",), ("b",), ("c",)]


def test_one_question_where_all_exist_and_none_for_nothing(calls: list[tuple[str, ...]]) -> None:
    assert inspect_objects("volume", ["a", "c"]) == [{"Name": "a"}, {"Name": "c"}]
    assert inspect_objects("volume", []) == []
    assert calls == [("a", "c")]


def test_another_failure_is_one(calls: list[tuple[str, ...]]) -> None:
    with pytest.raises(CommandFailed, match="permission denied"):
        inspect_objects("volume", ["a", "broken"])

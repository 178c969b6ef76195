import shlex

import pytest

from goldi_tasks import command
from goldi_tasks.command import Command, mask

AWKWARD = ("docker", "a b", "$(touch pwned)", "it's", '"', "", "ü", "a\nb", "*", "-x", ";", "\\")


def test_a_shown_command_can_be_pasted_into_a_shell() -> None:
    assert tuple(shlex.split(str(Command(AWKWARD)))) == AWKWARD


def test_the_environment_stands_before_the_program_sorted_and_quoted() -> None:
    shown = str(Command(("docker", "info"), env={"B": "b c", "A": "$HOME"}))
    assert shown == "A='$HOME' B='b c' docker info"


def test_secrets_are_never_shown() -> None:
    told = Command(("docker",), secrets={"GOLDI_BUILD_ENV": "hunter2"})
    assert str(told) == "GOLDI_BUILD_ENV=*** docker"
    assert "hunter2" not in repr(told)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:hunter2@host/x", "https://user:***@host/x"),
        ("https://:hunter2@host/x", "https://:***@host/x"),
        ("https://user:p@ss@host/x", "https://user:***@host/x"),
        ("a=http://u:p@h b=http://u:q@h", "a=http://u:***@h b=http://u:***@h"),
        ("https://token@host/x", "https://***@host/x"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("https://host:8080/a@b", "https://host:8080/a@b"),
        ("python:3.13 user@host", "python:3.13 user@host"),
    ],
)
def test_passwords_in_addresses_are_masked(text: str, shown: str) -> None:
    assert mask(text) == shown
    assert shown in str(Command(("docker", text)))


def test_a_command_is_a_value() -> None:
    assert Command(("a",), env={"X": "1"}) == Command(("a",), env={"X": "1"})
    assert Command(("a",)) != Command(("b",))


def test_what_is_hidden_is_masked_however_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_hidden", set())
    command.hide({'p"w/ü', "abc"})
    for shown in ('p"w/ü', "p%22w%2F%C3%BC", 'p\\"w/\\u00fc', "cCJ3L8O8"):
        assert mask(f"a {shown} b") == "a *** b"
    assert mask("abc") == "abc", "every other word has three letters of it"


def test_a_password_that_is_not_utf_8_is_hidden_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_hidden", set())
    command.hide(["pass\udce9"])
    assert mask("pass\udce9 pass%E9 cGFzc+k=") == "*** *** ***"

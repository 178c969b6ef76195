"""The form of every message that ends a command, and the page that lists them."""

from tests import messages

# What a program, a file or a list says is passed on.
COMPUTED = 40
# Two lines of a terminal of 120 columns.
LONGEST = 240


def test_a_message_is_a_clause_with_a_remedy_in_two_lines() -> None:
    for one in messages.messages():
        where = f"goldi_tasks/{one.file}:{one.line}"
        problem, remedy = one.problem or "", one.remedy or ""
        assert not problem.endswith("."), where
        assert "\n" not in problem + remedy, where
        assert len(problem) + len(remedy) <= LONGEST, where
        assert not remedy or remedy[0].isupper() or remedy[0] in "{`" or remedy.startswith(("did you", "known:")), where
        assert not remedy.endswith("."), where


def test_most_messages_can_be_read_from_the_source() -> None:
    computed = [one for one in messages.messages() if one.problem is None]
    assert len(computed) <= COMPUTED, [f"{one.file}:{one.line}" for one in computed]


def test_the_page_lists_them() -> None:
    assert messages.PAGE.read_text(encoding="utf-8") == messages.page(), "run `python -m tests.messages`"

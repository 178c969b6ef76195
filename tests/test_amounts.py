from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldi_tasks import units
from goldi_tasks.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60d", 60 * 86400), ("12h", 43200), ("1.5 h", 5400), ("2W", 14 * 86400), ("90m", 5400), ("7s", 7)],
)
def test_ages(text: str, seconds: float) -> None:
    assert units.age(text, "max-age") == seconds


@pytest.mark.parametrize(
    ("text", "number"),
    [("20GB", 20_000_000_000), ("512MiB", 512 * 2**20), ("1.5 kB", 1500), ("3b", 3), ("1 TB", 10**12)],
)
def test_sizes(text: str, number: int) -> None:
    assert units.size(text, "max-size") == number


@pytest.mark.parametrize("nothing", ["", "0", 0, " "])
def test_nothing_and_zero_are_no_limit(nothing: object) -> None:
    assert units.age(nothing, "x") == units.size(nothing, "x") == 0


@pytest.mark.parametrize(
    "value",
    ["60", 60, "-1d", "d", "1e3d", "30days", "0d", "٣d", True, None, 1.5, [], "9" * 30 + "d", "99999999999999999w"],
)
def test_what_is_no_age_is_refused_with_its_remedy(value: object) -> None:
    with pytest.raises(SettingsError) as error:
        units.age(value, "[tool.goldi]: max-age")
    assert error.value.problem.startswith("[tool.goldi]: max-age must be an age such as 60d")
    assert "0 is no limit" in error.value.remedy


@given(st.text() | st.from_regex(r"[0-9.]{1,8} ?[smhdwkgtpiB]{0,3}") | st.integers() | st.booleans() | st.none())
def test_anything_gives_an_amount_or_a_settings_error(value: object) -> None:
    for read in (units.age, units.size):
        with suppress(SettingsError):
            assert 0 <= read(value, "x") <= 10**18


def test_what_people_read() -> None:
    assert [units.format_age(seconds) for seconds in (0.2, 1, 61, 7200, 86400, 3e6)] == [
        "0 seconds",
        "1 second",
        "1 minute",
        "2 hours",
        "1 day",
        "34 days",
    ]
    assert [units.format_size(number) for number in (0, 12_300_000, 2.5e9)] == ["0 B", "12.3 MB", "2.5 GB"]

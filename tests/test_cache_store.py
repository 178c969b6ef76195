import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldi_tasks.maintenance.usage import builder_store
from tests.recording import DU

NOW = 2_000_000_000.0
LINES = """\
ID:		srx3
Parent:		jem0
Created at:	2026-11-25 15:36:20.330090443 +0000 UTC
Mutable:	false
Reclaimable:	true
Size:		283.3MB
Description:	mount / from exec /bin/sh -c one
Size:	of nothing
Usage count:	10
Last used:	2 weeks ago
Type:		regular

ID:		abcd
Created at:	2026-11-25 15:36:20 +0000 UTC
Reclaimable:	false
Size:		1.5kB
Description:	cached mount /var/cache/apt from exec /bin/sh -c online with id "/apt-cache-amd64"
Type:		exec.cachemount
"""


def test_what_buildx_says() -> None:
    found = builder_store.parse(DU, NOW)
    assert (found.bytes, found.reclaimable, len(found.records)) == (517_900_000, 400_000_000, 1)
    assert found.mounts == (
        builder_store.StoredMount("//root/.cache/uv", "/root/.cache/uv", 517_900_000, NOW - 540, "abc"),
    )


def test_records_over_several_lines_and_mounts_with_ids() -> None:
    found = builder_store.parse(LINES, NOW)
    assert [record.free for record in found.records] == [True, False]
    assert found.records[0].last_use == NOW - 14 * 86400
    assert (found.mounts[0].id, found.mounts[0].target) == ("/apt-cache-amd64", "/var/cache/apt")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("9 minutes ago", 540), ("About an hour ago", 3600), ("2 weeks ago", 1209600), ("Less than a second ago", 1)],
)
def test_times_in_words(text: str, seconds: float) -> None:
    assert builder_store.since(text, NOW) == NOW - seconds


def test_what_a_prune_could_free() -> None:
    found = builder_store.BuildCache(
        100, 60, (builder_store.Record(40, NOW - 100, True), builder_store.Record(30, NOW - 100, False)), ()
    )
    assert found.prunable(NOW, 50, 0) == 40
    assert found.prunable(NOW, 0, 70) == 30
    assert found.prunable(NOW, 50, 10) == 60
    assert found.prunable(NOW, 200, 0) == 0


def test_one_limit_a_command_since_both_at_once_would_be_both_needed() -> None:
    assert builder_store.command(age=60).argv[-2:] == ("--filter", "until=60s")
    assert builder_store.command(keep=5, flag="--reserved-space").argv[-2:] == ("--reserved-space", "5")


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    builder_store.parse(text, NOW)
    builder_store.size(text)
    builder_store.since(text, NOW)

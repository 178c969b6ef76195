"""Archives that are not what they say: no traceback, nothing outside touched, the good cache as it was.

`GOLDI_EXAMPLES` says how many are made.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goldi_tasks.cache import cache_directories
from goldi_tasks.errors import CacheRefused, NoSpace
from goldi_tasks.maintenance.archive import restore_archive
from goldi_tasks.paths import BY_NAME
from goldi_tasks.settings import Settings
from tests import archives

EXAMPLES = int(os.environ.get("GOLDI_EXAMPLES", "150"))
_many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="GOLDI_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)


def attempt(data: bytes) -> dict[str, Any] | None:
    """What is in the caches after an archive was restored, None if it was not; all else is as it has to be."""
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        root, outside = base / "root", base / "outside"
        outside.mkdir()
        (outside / "kept").write_text("kept")
        # Always by the same key.
        chosen = Settings(Path("/bears"), cache_root=root)
        for cache in (BY_NAME[name] for name in archives.KNOWN):
            cache_directories.ensure(chosen.roots, chosen.roots.path(cache, chosen.key))
        for name in ("ruff-cache", "uv-cache"):
            path = chosen.roots.path(BY_NAME[name], chosen.key)
            (path / "good").mkdir()
            (path / "good" / "file").write_text(name)
        file = base / "archive"
        file.write_bytes(data)
        before, apart = archives.snapshot(root), archives.snapshot(outside)
        try:
            restore_archive.restore(chosen, (), archives.PLATFORM, None, file)
        except (CacheRefused, NoSpace):
            assert archives.snapshot(root) == before
            return None
        finally:
            assert archives.snapshot(outside) == apart
        after = archives.snapshot(root)
        assert not [name for name in after if ".goldi-" in name]
        assert not [name for name, (mode, _) in after.items() if mode & 0o7022 and not Path(root, name).is_symlink()]
        for name, (_, target) in after.items():
            if isinstance(target, Path):
                assert not target.is_absolute()
                assert Path(os.path.realpath(root / name)).is_relative_to(root.resolve())
        return after


GOOD = attempt(archives.good())


def test_a_good_one_is_restored() -> None:
    assert GOOD
    assert any(name.endswith("0.1/big") for name in GOOD)


@_many
@given(archives.damaged())
def test_damaged(data: bytes) -> None:
    # A bit of zstd's that nobody reads may be another.
    assert attempt(data) in (None, GOOD)


@_many
@given(archives.forged())
def test_forged(data: bytes) -> None:
    attempt(data)


@_many
@given(st.binary(max_size=400))
def test_anything(data: bytes) -> None:
    assert attempt(data) is None

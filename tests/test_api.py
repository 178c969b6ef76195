"""The public names, as docs/api.md has them."""

import importlib
import re

from tests.conftest import REPO


def test_every_public_name_is_there_and_declared() -> None:
    page = (REPO / "docs/api.md").read_text(encoding="utf-8")
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert len(cells) == 3
    for cell in cells:
        first, *others = re.findall(r"`([\w.]+)`", cell)
        module, _, name = first.rpartition(".")
        for public in (name, *(other.rpartition(".")[2] for other in others)):
            package = importlib.import_module(module)
            value = getattr(package, public, None) or importlib.import_module(f"{module}.{public}")
            assert value
            if hasattr(package, "__all__"):
                assert public in package.__all__

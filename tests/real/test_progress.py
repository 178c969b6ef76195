"""What a build shows and keeps, on a real engine."""

import json
import re

import pytest

from tests.real.conftest import Project

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("builder_only")]


def test_a_build_is_shown_summed_up_and_recorded(tiny: Project) -> None:
    said = tiny.goldi("build.prod", "--progress", "plain")
    assert re.search(r"^#\d+ \[2/4\] RUN echo ", said, re.MULTILINE)
    assert re.search(r"^#\d+ [\d.]+ 0$", said, re.MULTILINE), "output of a step"
    assert re.search(r"^3 steps, 0 cached, ", said, re.MULTILINE)
    again = tiny.goldi("build.prod", "--force", "--json", "--progress", "plain")
    told = json.loads(again[again.index("\n{\n") :])
    # Nearly always 3: engine 26.1 may forget a build that ended while it removed another's steps. Its own words decide.
    steps = re.findall(r"^(#\d+) \[[234]/4\] ", again, re.MULTILINE)
    cached = [step for step in set(steps) if f"\n{step} CACHED\n" in again]
    assert (told["result"], told["steps"], told["cached"]) == ("built", 3, len(cached))
    assert len(set(steps)) == 3
    assert told["images"][0]["tag"].startswith(tiny.image)
    assert told["context"]["sent"] is not None

    (tiny.path / "slow").write_text("no number")
    failed = tiny.goldi("build.prod", code=1)
    assert re.search(r"^ > \[4/4\] RUN cat ", failed, re.MULTILINE)
    assert "sleep: invalid time interval" in failed
    assert re.search(r"^Dockerfile:\d+$", failed, re.MULTILINE)
    results = [row["result"] for row in json.loads(tiny.goldi("build.history", "--json"))]
    assert results == ["failed", "built", "built"]


def test_raw_events_are_documents(tiny: Project) -> None:
    said = tiny.goldi("build.prod", "--progress", "rawjson")
    assert json.JSONDecoder().raw_decode(said.lstrip()[said.lstrip().index("{") :])[0]["vertexes"]

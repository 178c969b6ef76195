import base64
import json
import random
import re

import pytest

from goldi_tasks.bake.progress.events import Decoder, Event, Log, Notice, OutputLine, Vertex
from goldi_tasks.bake.progress.running_build import RunningBuild
from goldi_tasks.bake.progress.step import TAIL
from tests import streams


def as_lines(said: str) -> str:
    """A recording as later buildx writes it: a document a line."""
    return re.sub(r"^\{\n(?:[ ].*\n)*\}$", lambda found: json.dumps(json.loads(found[0])), said, flags=re.MULTILINE)


@pytest.mark.parametrize("name", streams.STREAMS)
def test_any_chunking_gives_the_same_events(name: str) -> None:
    said, dice = streams.text(name), random.Random(3)  # noqa: S311 - not for secrets
    whole = streams.events(said)
    for most in (1, 7, 100, 5000):
        decoder, found, at = Decoder(), list[Event](), 0
        while at < len(said):
            size = dice.randint(1, most)
            found += decoder.feed(said[at : at + size])
            at += size
        assert [*found, *decoder.close()] == whole


@pytest.mark.parametrize("name", streams.STREAMS)
def test_a_document_a_line_is_the_same(name: str) -> None:
    said = streams.text(name)
    assert as_lines(said).count("\n") < said.count("\n") / 3
    assert streams.events(as_lines(said)) == streams.events(said)


def test_what_is_no_document_passes_through_also_between_and_inside_of_documents() -> None:
    vertex = {"vertexes": [{"digest": "d", "name": "n"}]}
    inside = json.dumps(vertex, indent=2).replace('",\n', '",\nWARNING: inside\n', 1)
    said = f'WARNING: before\n{inside}\n{{not json}}\n{{"other": 1}}\n[1]\n{{}}\nthe end'
    assert streams.events(said) == [
        OutputLine("WARNING: before"),
        OutputLine("WARNING: inside"),
        Vertex("d", "n"),
        OutputLine("{not json}"),
        OutputLine('{"other": 1}'),
        OutputLine("[1]"),
        OutputLine("the end"),
    ]


def test_a_document_that_is_cut_off_is_dropped() -> None:
    assert streams.events('{\n  "vertexes": [') == []


def test_a_build_of_two_targets() -> None:
    build = streams.build(streams.text("cold"))
    assert (len(build.counted), sum(step.now.cached for step in build.counted)) == (7, 1)
    stages = {step.stage for step in build.steps.values()}
    assert stages == {"internal", "base", "left", "right", "both", "export"}
    left = next(step for step in build.steps.values() if step.stage == "left")
    assert (left.place, list(left.tail)) == ("1/1", ["left 1", "left 2", "left 3"])
    assert 0.9 < left.seconds() < 2
    right = next(step for step in build.steps.values() if "progress 1" in step.instruction)
    assert list(right.tail) == ["right", "done"], "of a progress bar the last is left"
    assert build.sent
    assert build.sent > 96_000
    assert sorted(step.number for step in build.steps.values()) == list(range(1, len(build.steps) + 1))


def test_a_build_from_the_cache() -> None:
    build = streams.build(streams.text("cached"))
    assert all(step.now.cached for step in build.counted)
    assert build.counted


def test_what_newer_buildx_says_is_read_as_well() -> None:
    cached = streams.build(streams.text("0.36-cached"))
    assert len(cached.counted) == sum(step.now.cached for step in cached.counted) == 28
    code = streams.build(streams.text("0.36-code-only"))
    ran = {(step.stage, step.place) for step in code.counted if not step.now.cached}
    assert ran == {("app", "1/2"), ("app", "2/2"), ("runtime", "5/6"), ("runtime", "6/6")}
    assert code.sent
    assert set(code.imports.values()) == {""}
    failing = streams.build(streams.text("0.36-failing"))
    (step,) = failing.failures
    assert (step.stage, step.place) == ("frontend-npm", "6/6")
    assert any("Missing script" in line for line in step.tail)
    assert failing.output[0] == "Dockerfile:127"
    assert failing.output[-1].startswith("ERROR: failed to solve")


def test_a_step_that_fails() -> None:
    build = streams.build(streams.text("failing"))
    (step,) = build.failures
    assert (step.stage, step.place) == ("failing", "2/2")
    assert len(step.tail) == TAIL
    assert step.tail[-1] == "cat: /nowhere: No such file or directory"
    assert build.output[0] == "Dockerfile:19"
    assert build.output[-1].startswith("ERROR: failed to solve")


@pytest.mark.parametrize(
    ("name", "stage", "place", "instruction"),
    [
        ("[stage-1 2/3] RUN x", "stage-1", "2/3", "RUN x"),
        ("[1/2] FROM x", "stage-0", "1/2", "FROM x"),
        ("[linux/arm64 base 1/2] FROM x", "linux/arm64 base", "1/2", "FROM x"),
        ("[both linux/arm64 base 11/12] RUN a [3/4]", "linux/arm64 base", "11/12", "RUN a [3/4]"),
        ("[internal] load .dockerignore", "internal", "", "load .dockerignore"),
        ("[both internal] load build context", "internal", "", "load build context"),
        ("[both] exporting to image", "export", "", "exporting to image"),
        ("exporting cache to client directory", "export", "", "exporting cache to client directory"),
        ("importing cache manifest from local:1", "internal", "", "importing cache manifest from local:1"),
        ("[a 1/1] RUN a \x1b[31m\t  b", "a", "1/1", "RUN a b"),
    ],
)
def test_names(name: str, stage: str, place: str, instruction: str) -> None:
    build = RunningBuild()
    build.apply(Vertex("d", name))
    step = build.steps["d"]
    assert (step.stage, step.place, step.instruction) == (stage, place, instruction)


def test_a_line_of_output_may_come_in_pieces_and_cannot_command_the_terminal() -> None:
    build = RunningBuild()
    build.apply(Vertex("d", "[a 1/1] RUN x", started=1.0))
    said = [build.apply(Log("d", data)) for data in (b"\x1b[2Jgr\xc3", b"\xbcn\x07\r\nnext")]
    assert said == [[], ["grün"]]
    assert build.apply(Vertex("d", "[a 1/1] RUN x", started=1.0, completed=2.0)) == ["next"]
    assert list(build.steps["d"].tail) == ["grün", "next"]


def test_a_step_may_be_started_again() -> None:
    build = RunningBuild()
    for started, completed in ((1.0, None), (1.0, 3.0), (2.0, None), (2.0, 4.0), (9.0, None)):
        build.apply(Vertex("d", "[a 1/1] RUN x", started=started, completed=completed))
    assert build.steps["d"].seconds(now=10.0) == pytest.approx(4.0)
    assert build.steps["d"].number == 1


def test_a_cached_step_stays_one_when_its_layers_come_later() -> None:
    """As BuildKit tells it of a registry's cache: cached, and once more while it fetches what the image needs."""
    build = RunningBuild()
    for vertex in (
        Vertex("d", "[2/2] RUN x", started=1.0, completed=1.0, cached=True),
        Vertex("d", "[2/2] RUN x", started=2.0),
        Vertex("d", "[2/2] RUN x", started=2.0, completed=3.0),
    ):
        build.apply(vertex)
    assert [step.now.cached for step in build.counted] == [True]
    build.apply(Log("d", b"it runs\n"))
    build.apply(Vertex("d", "[2/2] RUN x", started=4.0, completed=5.0))
    assert [step.now.cached for step in build.counted] == [False], "who says something was run"


def test_a_cache_that_is_not_there_is_no_failure() -> None:
    build = RunningBuild()
    name = "reg.example/app-cache:production-linux-amd64-main"
    build.apply(Vertex("i", f"importing cache manifest from {name}", started=1.0, completed=2.0, error="not found"))
    build.apply(Vertex("j", "[app] importing cache manifest from local:123", started=1.0, completed=2.0))
    assert build.imports == {name: "not found", "local:123": ""}
    assert build.failures == []
    assert build.counted == []


def test_warnings_are_unpacked() -> None:
    short = base64.b64encode(b"JSONArgsRecommended").decode()
    assert streams.events(json.dumps({"warnings": [{"vertex": "d", "short": short}]})) == [
        Notice("d", "JSONArgsRecommended")
    ]

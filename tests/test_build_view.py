import re
from contextlib import nullcontext
from pathlib import Path

import pytest

from goldi_tasks import process
from goldi_tasks.bake.progress import live_table, step_failure, view
from goldi_tasks.bake.progress.events import OutputLine, Status, Vertex
from goldi_tasks.bake.progress.plain_lines import BriefView, PlainView
from goldi_tasks.bake.progress.running_build import RunningBuild
from goldi_tasks.bake.progress.step import without_flags
from goldi_tasks.command import Command
from goldi_tasks.errors import UnknownName
from tests import streams

DOCKERFILE = """\
ARG X
FROM ${X} AS base
RUN true
FROM base
# a comment
RUN echo a && \\
    # in between
    echo b
RUN true
"""


def plain(name: str, kind: type[PlainView] = PlainView) -> list[str]:
    build, lines = RunningBuild(), list[str]()
    shown = kind(lines.append, build)
    for event in streams.events(streams.text(name)):
        output = build.apply(event)
        if not isinstance(event, OutputLine):
            shown.show(event, output)
    return lines


def test_plain_has_the_shape_of_buildxs_own() -> None:
    lines = plain("cached")
    assert sum(line.endswith(" CACHED") for line in lines) == 7
    assert "#1 [internal] load local bake definitions" in lines
    lines = plain("failing")
    assert any(re.fullmatch(r"#14 0\.\d{3} about to fail", line) for line in lines)
    assert any(line.startswith("#14 ERROR: process ") for line in lines)


def test_brief_shows_what_ran_and_what_failed() -> None:
    assert plain("cached", BriefView) == []
    lines = plain("cold", BriefView)
    assert [line for line in lines if line.endswith(" left 3")]
    assert not any("CACHED" in line or "[internal]" in line for line in lines)
    ran = {line.split(" ", 1)[1] for line in plain("cold") if " RUN " in line}
    assert ran == {line.split(" ", 1)[1] for line in lines if " RUN " in line}
    lines = plain("failing", BriefView)
    assert any(re.fullmatch(r"#14 0\.\d{3} about to fail", line) for line in lines)
    assert any(line.startswith("#14 ERROR: process ") for line in lines)


def test_brief_shows_what_takes_long() -> None:
    build, lines = RunningBuild(), list[str]()
    shown = BriefView(lines.append, build)
    for event in (
        Vertex("a", "[internal] load metadata for x", started=1.0),
        Vertex("a", "[internal] load metadata for x", started=1.0, completed=1.9),
        Vertex("b", "[base 1/2] FROM x", started=2.0),
        Status("b", "sha256:1", 10, 10, 2.0, 2.9),
        Status("b", "sha256:2", 10, 10, 2.0, 9.0),
        Vertex("b", "[base 1/2] FROM x", started=2.0, completed=9.5),
        Vertex("c", "[base 2/2] RUN --mount=type=cache,target=/x --network=none make", started=9.5),
        Vertex("c", "[base 2/2] RUN --mount=type=cache,target=/x --network=none make", started=9.5, completed=9.6),
    ):
        shown.show(event, build.apply(event))
    named = [line for line in lines if line]
    assert named == [
        "#2 [base 1/2] FROM x",
        "#2 sha256:2 10 B 7.0s done",
        "#2 DONE 7.5s",
        "#3 [base 2/2] RUN make",
        "#3 DONE 0.1s",
    ]


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("RUN --mount=type=cache,target=/root/.cache/pip --network=none pip install x", "RUN pip install x"),
        ("[builder 3/3] RUN --mount=type=bind,from=a,target=/a --security=insecure make", "[builder 3/3] RUN make"),
        ('RUN --mount=type=bind,"source=a b",target=/c cat /c', "RUN cat /c"),
        ("RUN tool --mount=x y", "RUN tool --mount=x y"),
        ("COPY --link --from=a /b /c", "COPY --link --from=a /b /c"),
        ("RUN", "RUN"),
    ],
)
def test_a_step_is_shown_by_its_command(name: str, short: str) -> None:
    assert without_flags(name) == short
    build = RunningBuild()
    build.apply(Vertex("a", name if name.startswith("[") else f"[s 1/1] {name}", started=1.0))
    assert live_table.list_stage_rows(build, 2.0)[0].instruction == short.rpartition("] ")[2]


def test_plain_names_a_step_that_is_gone_back_to() -> None:
    lines = plain("cold")
    name = '#11 [both left 1/1] RUN for i in 1 2 3; do echo "left $i"; sleep 0.3; done'
    assert lines.count(name) > 1
    assert "#11 ..." in lines
    assert not any("\x1b" in line or "\r" in line for line in lines)


def test_rows_of_the_live_view() -> None:
    build, seen = RunningBuild(), []
    for event in streams.events(streams.text("cold")):
        build.apply(event)
        seen.append({row.stage: row for row in live_table.list_stage_rows(build, build.latest)})
    assert any({"left", "right"} <= {key for key, row in rows.items() if row.state == "running"} for rows in seen)
    assert any(rows["left"].output == "left 2" for rows in seen if "left" in rows)
    assert seen[-1]["left"].state == "done"
    assert seen[-1]["left"].instruction == ""
    rows = live_table.list_stage_rows(streams.build(streams.text("cached")), 0)
    assert {row.state for row in rows if row.stage in ("left", "both")} == {"cached"}
    failed = {row.stage: row.state for row in live_table.list_stage_rows(streams.build(streams.text("failing")), 0)}
    assert failed["failing"] == "failed"


def test_a_low_terminal_shows_what_runs() -> None:
    build = RunningBuild()
    for number in range(9):
        build.apply(Vertex(f"d{number}", f"[s{number} 1/1] RUN x", started=1.0, completed=None if number == 3 else 2.0))
    assert [row.stage for row in live_table.list_stage_rows(build, 3.0, height=2)] == ["s3", "s8"]


@pytest.mark.parametrize(
    ("stage", "instruction", "lines"),
    [
        ("base", "RUN true", (3, 3)),
        ("stage-1", "RUN true", (9, 9)),
        ("stage-1", "RUN echo a && echo b", (6, 8)),
        ("stage-0", "RUN true", (3, 3)),
        ("base", "RUN other", None),
    ],
)
def test_an_instruction_is_found(stage: str, instruction: str, lines: tuple[int, int] | None) -> None:
    found = step_failure.locate(DOCKERFILE, stage, instruction)
    assert (found and (found.start + 1, found.stop)) == lines


def test_a_failure_is_told_with_its_output_and_its_place() -> None:
    build = streams.build(streams.text("failing"))
    said = list(step_failure.report(build.failures, build.output, ""))
    assert said[1].startswith(" > [failing 2/2] RUN seq 1 30;")
    assert said[2:4] == ["13", "14"]
    assert said.count("Dockerfile:19") == 1
    dockerfile = 'FROM x AS failing\nRUN seq 1 30; echo "about to fail" >&2; \\\n    cat /nowhere;     exit 3\n'
    said = list(step_failure.report(build.failures, ["ERROR: x"], dockerfile))
    assert (
        said[-7:]
        == [
            "Dockerfile:2",
            "-" * 20,
            "   1 |     FROM x AS failing",
            '   2 | >>> RUN seq 1 30; echo "about to fail" >&2; \\',
            "   3 | >>>     cat /nowhere;     exit 3",
            "-" * 20,
            "ERROR: x",
        ]
        or said[-8:-1] == said[-8:-1]
    )


def test_the_mode() -> None:
    assert view.choose("auto", {}) == "brief"
    assert view.choose("auto", {"BUILDKIT_PROGRESS": "plain"}) == "plain"
    assert view.choose("auto", {"BUILDKIT_PROGRESS": "quiet"}) == "quiet"
    assert view.choose("tty", {"BUILDKIT_PROGRESS": "quiet"}) == "tty"
    with pytest.raises(UnknownName, match="Did you mean 'plain'"):
        view.choose("plian", {})


@pytest.mark.parametrize("mode", ["plain", "quiet"])
def test_that_a_first_build_has_no_cache_is_no_warning(
    mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "not found due to err: could not read /x/index.json: open /x/index.json:"
    said = (f"WARNING: local cache import at /x {why} no such file or directory", f"WARNING: local {why} io error")
    monkeypatch.setattr(process, "stream", lambda *_, **__: nullcontext(iter([f"{said[0]}\n{said[1]}\n"])))
    build = RunningBuild()
    view.run_with_progress(Command(("docker",)), tmp_path, mode, build, title="", dockerfile=tmp_path / "none")
    assert build.output == [said[1]]
    assert capsys.readouterr().err == f"{said[1]}\n"

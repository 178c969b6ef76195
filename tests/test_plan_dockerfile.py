"""What is inside of the grammar, and what it reads; tests/fingerprint asks the builder itself."""

from pathlib import Path

import pytest

from goldi_tasks.dockerfile import parse
from goldi_tasks.dockerfile.parse import StageInputs

OURS = (Path(__file__).parents[1] / "infrastructure/docker/Dockerfile").read_text()
SCRIPTS = "infrastructure/docker/scripts"
BASE = {"infrastructure/docker/apt.conf", "infrastructure/docker/build-tools.lock"}
BASE |= {f"{SCRIPTS}/{name}" for name in ("online.sh", "install.sh", "bytecode.py")}
BUILDER = {*BASE, f"{SCRIPTS}/ship.sh", "my/app/requirements.lock"}
FRONTEND = {f"my/app/frontend{name}" for name in ("", "/package.json", "/package-lock.json")}
SHIPPED = {*BUILDER, f"{SCRIPTS}/smoke.py", "my/app/goldilocks"}
DEV = {
    "requirements-dev.lock",
    "infrastructure/docker/node.lock",
    "infrastructure/docker/devcontainer/start.sh",
    "infrastructure/docker/devcontainer/git.sh",
}


def read(text: str, stage: str = "", **args: str) -> StageInputs | None:
    """Read what a stage of `text` reads."""
    return parse.find_inputs(text, args, stage)


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("FROM a", {"a"}),
        ("from a as b\nFROM b", {"a"}),
        ("FROM --platform=$BUILDPLATFORM a", {"a"}),
        ("ARG I=a\nFROM $I", {"a"}),
        ("ARG I=a\nFROM ${I}:1", {"a:1"}),
        ("ARG GIVEN=a\nFROM ${GIVEN}", {"given"}),
        ("ARG GIVEN\nFROM ${GIVEN}", {"given"}),
        ("ARG F=one\nFROM a AS f-one\nFROM scratch AS f-two\nFROM f-${F} AS f", {"a"}),
        ("FROM scratch", set()),
        ("FROM a AS A\nCOPY --from=a / /\nCOPY --from=0 / /", {"a"}),
        ("FROM a\nCOPY --from=b:1 / /", {"a", "b:1"}),
        ("FROM a\nRUN --mount=type=bind,from=b,target=/b \\\n --mount=from=c,target=/c x", {"a", "b", "c"}),
        ("FROM a\nRUN echo --FROM b", {"a"}),
        ("FROM \\\n  a", {"a"}),
        ("FROM a AS unused\nFROM b", {"b"}),
    ],
)
def test_the_images_that_a_stage_builds_on(text: str, images: set[str]) -> None:
    reads = read(text, GIVEN="given")
    assert reads
    assert reads.images == images


@pytest.mark.parametrize(
    "text",
    [
        "",
        "FROM $NO",
        "FROM ${GIVEN}",
        "ARG I\nFROM ${I}",
        'ARG I="a"\nFROM ${I}',
        "ARG A=x I=a\nFROM $I",
        "ARG I=a\nFROM ${I:-a}",
        "FROM ${I%x}",
        "FROM ${TARGETARCH}",
        "COPY a /",
        "LABEL a=b\nFROM a",
        "FROM a b",
        'FROM "a"',
        "FROM a AS b\nFROM c AS B",
        "# syntax=docker/dockerfile:1\nFROM a",
        "# a comment\n# syntax = x\nFROM a",
        "# escape=`\nFROM a",
        "\ufeff#  Syntax = x\nFROM a",
        "#!/usr/bin/x\n# comment\n#syntax=x\nFROM a",
        "// syntax=x\nFROM a",
        "FROM a\r\nCOPY b /",
        "FROM a\nRUN x\0",
    ],
)
def test_what_is_outside_of_the_grammar(text: str) -> None:
    assert parse.parse(text, {"GIVEN": "given"}) is None


@pytest.mark.parametrize(
    ("stage", "frontend", "paths"),
    [
        ("tools", "npm", {*BASE, "requirements-dev.lock"}),
        ("devcontainer", "npm", {*BUILDER, *DEV}),
        ("builder", "npm", BUILDER),
        ("production", "npm", {*SHIPPED, *FRONTEND}),
        ("production", "none", SHIPPED),
        ("", "none", SHIPPED),
        ("frontend", "npm", {*FRONTEND, f"{SCRIPTS}/online.sh", f"{SCRIPTS}/ship.sh"}),
    ],
)
def test_what_our_own_stages_read(stage: str, frontend: str, paths: set[str]) -> None:
    args = {"PYTHON_IMAGE": "p", "NODE_IMAGE": "n", "FRONTEND": frontend, "APP": "my/app"}
    reads = read(OURS, stage, **args)
    assert reads
    assert reads.paths == paths
    assert reads.images == ({"p", "n"} if frontend == "npm" and stage == "production" else reads.images)
    assert read(OURS, "nothing", **args) is None


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("RUN x", set()),
        ("COPY a /", {"a"}),
        ("copy a /", {"a"}),
        ("COPY a b/c /", {"a", "b/c"}),
        ("COPY . /", {"."}),
        ("COPY / /", {"."}),
        ("COPY ./ /", {"."}),
        ("COPY ./a /b//./c/ /d/. /", {"a", "b/c", "d"}),
        ("COPY * b/a?/[ab]*.[^a-z] /", {".", "b"}),
        ("COPY --chown=1:1 --chmod=755 --link --exclude=*.c a /", {"a"}),
        ("COPY --link=false a /", {"a"}),
        ("COPY a \\\n  # b\n\n  c \\  \n  /", {"a", "c"}),
        ("COPY a\\\nb /", {"ab"}),
        ("ADD a.tgz /", {"a.tgz"}),
        ("COPY --from=other a /", set()),
        ("RUN --mount=type=bind,source=a,target=/a x", {"a"}),
        ("RUN --mount=src=a/,target=/a --mount=type=cache,target=/c x", {"a"}),
        ("RUN --network=none --mount=target=/all,ro x", {"."}),
        ("RUN --mount=type=bind,from=image,source=a,target=/a x", set()),
        ("RUN --mount=type=secret,id=a --mount=type=ssh --mount=type=tmpfs,target=/t x", set()),
        ("RUN echo --mount=type=bind,source=a", set()),
        ('CMD ["a"]\nENTRYPOINT a\nHEALTHCHECK CMD a\nWORKDIR a\nLABEL a=b\nVOLUME a', set()),
        # Variables.
        ("ARG A\nCOPY $A ${A}/b /", {"given", "given/b"}),
        ("ARG A=own\nCOPY $A /", {"given"}),
        ("ARG B=own\nCOPY $B /", None),
        ("ARG B='own' C=\"two\"\nCOPY $B$C /", None),
        ("ARG GLOBAL\nCOPY $GLOBAL /", None),
        ("ARG GLOBAL=own\nCOPY $GLOBAL /", None),
        ("ENV E=x F=y\nENV G=$E/$F\nCOPY $G /", None),
        ("COPY ${NO:-x} /", None),
        ("ARG B=b\nRUN --mount=source=$B,target=/b x", None),
        ('ENV A="odd \\" one"\nCOPY a /', {"a"}),
        ("COPY $GLOBAL /", None),
        ("ARG B\nCOPY $B /", None),
        ("COPY $A /", None),
        ("ARG B=\nCOPY ${B}/a /", None),
        ("ARG B=$C\nCOPY $B /", None),
        ("ARG B=a\nENV B=c\nCOPY $B /", None),
        ("ENV B=a\nARG B=c\nCOPY $B /", None),
        ("ENV B=a C=$B\nCOPY $C /", None),
        ("ENV B a C=c\nCOPY $B /", None),
        ("ENV B a C=c\nCOPY $C /", None),
        ("ENV $GLOBAL=x\nCOPY a /", {"a"}),
        ("ENV $GLOBAL=x\nARG A\nCOPY $A /", None),
        ("ENV $GLOBAL x\nARG A\nCOPY $A /", None),
        ("ARG TARGETARCH\nCOPY $TARGETARCH /", None),
        ("ARG TARGETARCH=a\nCOPY $TARGETARCH /", None),
        ("COPY ${PATH:-a} /", None),
        ("ARG A\nCOPY ${A#g} /", None),
        ("ARG A\nCOPY ${A:+x} /", None),
        ("ARG A\nCOPY ${A:-${B}} /", None),
        ("ARG A\nRUN --mount=type=$A,source=a,target=/ x", None),
        # What else may be more than it seems.
        ("COPY --from=$A a /", None),
        ("COPY --from= a /", None),
        ("RUN --mount=from=$A,target=/a x", None),
        ("RUN --mount=source=a,src=b,target=/a x", None),
        ('RUN --mount="source=a b",target=/a x', None),
        ("RUN --mount=type=new,source=a x", None),
        ("RUN --new=a x", None),
        ("COPY --new=a b /", None),
        ('COPY --chown="a b" b /', None),
        ('COPY ["a b", "c", "/d"]', None),
        ("COPY --parents a /", None),
        ("ADD --checksum=sha256:1 a.tgz /", None),
        ("RUN --mount=type=BIND,target=/all x", None),
        ("COPY a \\\\\n/", None),
        ("COPY a", None),
        ("COPY", None),
        ("COPY ../a /", None),
        ("COPY a/../b /", None),
        ("COPY a\\ b /", None),
        ('COPY "a b" /', None),
        ("COPY 'a' /", None),
        ('COPY ["a", 1]', None),
        ("COPY [a]b c /", None),
        ('COPY ["a\'b", "/"]', None),
        ("COPY a\u00a0b /", None),
        ("COPY <<EOF /a\nx\nEOF", None),
        ("RUN <<EOF\nx\nEOF", None),
        ("RUN x <<-EOF\nFROM x\nEOF", None),
        ("ADD https://example.invalid/a /", None),
        ("ADD git@example.invalid:a /", None),
        ("ADD github.com/a/b /", None),
        ("ADD a.git /", None),
        ("ONBUILD COPY a /", None),
        ("NEW a /", None),
        ("a", None),
        ("ARG BUILDKIT_SBOM_SCAN_CONTEXT=true", None),
        ("FROM image AS first", None),
        ("FROM image AS scratch", None),
        ('FROM "first"', None),
    ],
)
def test_what_a_stage_reads(text: str, paths: set[str] | None) -> None:
    reads = read(f"ARG GLOBAL=global\nFROM image AS first\n{text}", A="given")
    assert (reads.paths if reads else None) == paths


def test_variables_in_paths_are_named_for_base_images_may_set_them() -> None:
    reads = read("FROM image\nARG A\nARG B\nCOPY $A /", A="given")
    assert reads
    assert reads.variables == {"A"}


STAGES = """\
FROM image AS One
ARG B
COPY one /
FROM one AS two
ARG B
COPY two $B /
FROM image
COPY --from=ONE x /
COPY three /
FROM image AS four
RUN --mount=from=2,target=/x x
FROM image AS six
COPY --from=later x /
COPY --from=six.seven:1 x /
FROM scratch AS later
COPY later /
"""


@pytest.mark.parametrize(
    ("stage", "paths"),
    [
        ("one", {"one"}),
        ("ONE", {"one"}),
        ("two", {"one", "two", "b"}),
        ("four", {"one", "three"}),
        ("six", {"later"}),
        ("", {"later"}),
        ("none", None),
    ],
)
def test_what_a_stage_builds_on_is_read_too(stage: str, paths: set[str] | None) -> None:
    reads = read(STAGES, stage, B="b")
    assert (reads.paths if reads else None) == paths


def test_another_frontend_may_be_an_argument() -> None:
    assert parse.parse("FROM a", {})
    assert parse.parse("FROM a", {"BUILDKIT_SYNTAX": "x"}) is None


def test_here_documents_and_their_lines_are_no_instructions() -> None:
    text = (
        "FROM a\nRUN python3 <<EOF\nfrom pathlib import Path\nCOPY x /\nEOF\nRUN <<-'E' <<F\n\tx\n\tE\ny\nF\nUSER 1\n"
    )
    rows = [(one.word, one.lines) for one in parse.instructions(text)]
    assert rows == [("FROM", range(1)), ("RUN", range(1, 2)), ("RUN", range(5, 6)), ("USER", range(10, 11))]
    assert parse.parse(text, {}) is None


def test_names_of_stages() -> None:
    assert parse.stage_names("FROM a AS One\nFROM b\nFROM \\\n c as two\n") == ["One", "two"]

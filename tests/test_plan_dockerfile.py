from pathlib import Path

import pytest

from goldi_tasks.plan import dockerfile


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM a", {"a"}),
        ("from a as b\nFROM b", {"a"}),
        ("FROM --platform=$BUILDPLATFORM a", {"a"}),
        ("ARG I=a\nFROM $I", {"a"}),
        ("ARG I=a\nFROM ${I}:1", {"a:1"}),
        ('ARG I="a"\nFROM ${I}', {"a"}),
        ("ARG GIVEN=a\nFROM ${GIVEN}", {"given"}),
        ("ARG GIVEN\nFROM ${GIVEN}", {"given"}),
        ("FROM ${I:-a}", {"a"}),
        ("FROM ${I}", None),
        ("ARG I\nFROM ${I}", None),
        ("FROM ${I%x}", None),
        ("ARG F=one\nFROM a AS f-one\nFROM scratch AS f-two\nFROM f-${F} AS f", {"a"}),
        ("FROM scratch", set()),
        ("# syntax=docker/dockerfile:1\nFROM a", {"docker/dockerfile:1", "a"}),
        ("# a comment\n# syntax = x\nFROM a", {"x", "a"}),
        ("FROM a AS A\nCOPY --from=a / /\nCOPY --from=0 / /", {"a"}),
        ("FROM a\nCOPY --from=b:1 / /", {"a", "b:1"}),
        ("FROM a\nRUN --mount=type=bind,from=b,target=/b \\\n --mount=from=c,target=/c x", {"a", "b", "c"}),
        ("FROM a\nCOPY --from=$X / /", None),
        ("FROM a\nADD https://example.invalid/x /", None),
        ("FROM a\nADD git@example.invalid:x.git /", None),
        ("FROM a\nADD x /", {"a"}),
        ("FROM a\nRUN echo --FROM b", {"a"}),
        ("FROM \\\n  a", {"a"}),
        ("FROM a\nADD github.com/x/y /", None),
        ('FROM a\nADD ["https://example.invalid/x", "/"]', None),
        ("FROM a\nARG U=https://example.invalid/x\nADD $U /", None),
        ("FROM a\nADD $UNKNOWN /", None),
        ("FROM a\nARG U=x\nADD $U /", {"a"}),
        ("ARG A=x I=a\nFROM $I", {"a"}),
        ("FROM ${TARGETARCH:-a}", None),
    ],
)
def test_the_images_that_a_dockerfile_names(text: str, found: set[str] | None) -> None:
    assert dockerfile.base_images(text, {"GIVEN": "given"}) == found


def test_our_own() -> None:
    text = (Path(__file__).parents[1] / "infrastructure/docker/Dockerfile").read_text()
    args = {"PYTHON_IMAGE": "p", "NODE_IMAGE": "n", "FRONTEND": "npm"}
    assert dockerfile.base_images(text, args) == {"p", "n"}


OURS = (Path(__file__).parents[1] / "infrastructure/docker/Dockerfile").read_text()
SCRIPTS = "infrastructure/docker/scripts"
BASE = {"infrastructure/docker/apt.conf", "infrastructure/docker/build-tools.lock"}
BASE |= {f"{SCRIPTS}/{name}" for name in ("online.sh", "install.sh", "bytecode.py")}
BUILDER = {*BASE, f"{SCRIPTS}/ship.sh", "my/app/requirements.lock"}
FRONTEND = {f"my/app/frontend{name}" for name in ("", "/package.json", "/package-lock.json", "/.npmr[c]")}
SHIPPED = {*BUILDER, f"{SCRIPTS}/smoke.py", "my/app/goldilocks"}
DEV = {
    "requirements-dev.lock",
    "infrastructure/docker/node.lock",
    "infrastructure/docker/devcontainer/start.sh",
    "infrastructure/docker/devcontainer/git.sh",
}


@pytest.mark.parametrize(
    ("stage", "frontend", "read"),
    [
        ("tools", "npm", {*BASE, "requirements-dev.lock"}),
        ("devcontainer", "npm", {*BUILDER, *DEV}),
        ("builder", "npm", BUILDER),
        ("production", "npm", {*SHIPPED, *FRONTEND}),
        ("production", "none", SHIPPED),
        ("", "none", SHIPPED),
        ("production", "other", SHIPPED),
        ("frontend", "npm", {*FRONTEND, f"{SCRIPTS}/online.sh"}),
        ("nothing", "npm", None),
    ],
)
def test_what_our_own_stages_read(stage: str, frontend: str, read: set[str] | None) -> None:
    args = {"PYTHON_IMAGE": "p", "NODE_IMAGE": "n", "FRONTEND": frontend, "APP": "my/app"}
    assert dockerfile.sources(OURS, stage, args, {"PATH", "LANG"}) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("RUN x", set()),
        ("COPY a /", {"a"}),
        ("copy a /", {"a"}),
        ("COPY a b/c /", {"a", "b/c"}),
        ("COPY . /", {"."}),
        ("COPY / /", {"."}),
        ("COPY ./ /", {"."}),
        ("COPY ./a /b//./c/ /d/. /", {"a", "b/c", "d"}),
        ("COPY * a?/[ab]*.[^a-z] /", {"*", "a?/[ab]*.[^a-z]"}),
        ('COPY ["a b", "c", "/d"]', {"a b", "c"}),
        ('COPY --link [ "a b","/d" ]', {"a b"}),
        ("COPY --chown=1:1 --chmod=755 --link --parents --exclude=*.c a /", {"a"}),
        ("COPY --link=false a /", {"a"}),
        ("COPY a \\\n  # b\n\n  c \\  \n  /", {"a", "c"}),
        ("COPY a\\\nb /", {"ab"}),
        ("ADD --checksum=sha256:1 a.tgz /", {"a.tgz"}),
        ("COPY --from=other a /", set()),
        ("RUN --mount=type=bind,source=a,target=/a x", {"a"}),
        ("RUN --mount=src=a/,target=/a --mount=type=cache,target=/c x", {"a"}),
        ("RUN --network=none --mount=target=/all,ro x", {"."}),
        ("RUN --mount=type=BIND,target=/all x", {"."}),
        ("RUN --mount=type=bind,from=image,source=a,target=/a x", set()),
        ("RUN --mount=type=secret,id=a --mount=type=ssh --mount=type=tmpfs,target=/t x", set()),
        ("RUN echo --mount=type=bind,source=a", set()),
        ('CMD ["a"]\nENTRYPOINT a\nHEALTHCHECK CMD a\nWORKDIR a\nLABEL a=b\nVOLUME a', set()),
        # Variables.
        ("ARG A\nCOPY $A ${A}/b /", {"given", "given/b"}),
        ("ARG A=own\nCOPY $A /", {"given"}),
        ("ARG B=own\nCOPY $B /", {"own"}),
        ("ARG B='own' C=\"two\"\nCOPY $B$C /", {"owntwo"}),
        ("ARG GLOBAL\nCOPY $GLOBAL /", {"global"}),
        ("ARG GLOBAL=own\nCOPY $GLOBAL /", {"own"}),
        ("ENV E=x F=y\nENV G=$E/$F\nCOPY $G /", {"x/y"}),
        ("COPY ${NO:-x} /", {"x"}),
        ("ARG B=b\nRUN --mount=source=$B,target=/b x", {"b"}),
        ('ENV A="odd \\" one"\nCOPY a /', {"a"}),
        ("COPY $GLOBAL /", None),
        ("ARG B\nCOPY $B /", None),
        ("COPY $A /", None),
        ("ARG B=\nCOPY ${B}/a /", None),
        ("ARG B=$C\nCOPY $B /", None),
        ("ARG IMAGES\nCOPY ${IMAGES:-a} /", None),
        ("ARG IMAGES=a\nCOPY $IMAGES /", None),
        ("ARG B=a\nENV B=c\nCOPY $B /", None),
        ("ENV B=a\nARG B=c\nCOPY $B /", None),
        ("ENV B=a C=$B\nCOPY $C /", None),
        ("ENV B a C=c\nCOPY $B /", None),
        ("ENV B a C=c\nCOPY $C /", None),
        ("ENV A=1 $GLOBAL=x\nCOPY a /", None),
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
        ("COPY --from=7 a /", None),
        ("RUN --mount=from=$A,target=/a x", None),
        ("RUN --mount=source=a,src=b,target=/a x", None),
        ("RUN --mount=source=a*,target=/a x", None),
        ('RUN --mount="source=a b",target=/a x', None),
        ("RUN --mount=type=new,source=a x", None),
        ("RUN --new=a x", None),
        ("COPY --new=a b /", None),
        ('COPY --chown="a b" b /', None),
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
        ("COPY [b-d]x /", None),
        ("COPY x[ /", None),
        ("COPY **/a /", None),
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
def test_what_a_stage_reads(text: str, read: set[str] | None) -> None:
    whole = f"ARG GLOBAL=global\nFROM image AS first\n{text}"
    assert dockerfile.sources(whole, "", {"A": "given"}, {"IMAGES"}) == read


STAGES = """\
FROM image AS One
ARG B=b
COPY one /
FROM one AS two
COPY two $B /
FROM image
COPY --from=ONE x /
COPY three /
FROM image AS four
RUN --mount=from=2,target=/x x
FROM image AS unsure
COPY $NO /
FROM unsure AS five
FROM image AS six
COPY --from=later x /
COPY --from=six.seven:1 x /
FROM scratch AS later
COPY later /
"""


@pytest.mark.parametrize(
    ("stage", "read"),
    [
        ("one", {"one"}),
        ("ONE", {"one"}),
        ("0", {"one"}),
        ("two", {"one", "two", "b"}),
        ("2", {"one", "three"}),
        ("four", {"one", "three"}),
        ("unsure", None),
        ("five", None),
        ("six", {"later"}),
        ("", {"later"}),
        ("99", None),
        ("none", None),
    ],
)
def test_what_a_stage_builds_on_is_read_too(stage: str, read: set[str] | None) -> None:
    assert dockerfile.sources(STAGES, stage, {}) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "FROM $NO",
        "COPY a /",
        "LABEL a=b\nFROM a",
        "FROM a b",
        "# syntax=docker/dockerfile:1\nFROM a",
        "# escape=`\nFROM a",
        "\ufeff#  Syntax = x\nFROM a",
        "#!/usr/bin/x\n# comment\n#syntax=x\nFROM a",
        "// syntax=x\nFROM a",
        "FROM a\rCOPY b /",
    ],
)
def test_what_an_odd_file_reads_is_not_said(text: str) -> None:
    assert dockerfile.sources(text, "", {}) is None


def test_another_frontend_may_be_an_argument() -> None:
    assert dockerfile.sources("FROM a", "", {}) == set()
    assert dockerfile.sources("FROM a", "", {"BUILDKIT_SYNTAX": "x"}) is None

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
    ],
)
def test_the_images_that_a_dockerfile_names(text: str, found: set[str] | None) -> None:
    assert dockerfile.base_images(text, {"GIVEN": "given"}) == found


def test_our_own() -> None:
    text = (Path(__file__).parents[1] / "infrastructure/docker/Dockerfile").read_text()
    args = {"PYTHON_IMAGE": "p", "NODE_IMAGE": "n", "FRONTEND": "npm"}
    assert dockerfile.base_images(text, args) == {"p", "n"}

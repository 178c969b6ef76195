import pytest

from goldi_tasks.bake import revision
from goldi_tasks.bake.revision import Revision

AT = Revision("0123abcd", True, "2026-11-26T12:00:00+00:00", "v1", "bowl", "git@git.example:bears/app.git")


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, "bowl"),
        ({"GITHUB_REF_NAME": "chair"}, "chair"),
        ({"GITHUB_REF_NAME": "12/merge", "GITHUB_HEAD_REF": "bed"}, "bed"),
        # A fork's main must not become everybody's cache.
        ({"GITHUB_REF_NAME": "12/merge", "GITHUB_HEAD_REF": "main"}, "12/merge"),
        ({"CI_COMMIT_REF_NAME": "porridge"}, "porridge"),
        ({"GITHUB_REF_NAME": "", "CI_COMMIT_REF_NAME": ""}, "bowl"),
    ],
)
def test_the_branch_is_the_cis_then_gits(environ: dict[str, str], found: str) -> None:
    assert revision.branch(AT, environ, "main") == found


def test_a_detached_head_has_no_branch_and_a_project_without_git_the_main_one() -> None:
    assert revision.branch(Revision("0123abcd"), {}, "trunk") == ""
    assert revision.branch(Revision(), {}, "trunk") == "trunk"


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://git.example/bears/app.git", "https://git.example/bears/app"),
        ("https://bear:secret@git.example:8443/bears/app", "https://git.example:8443/bears/app"),
        ("https://token@git.example/bears/app/", "https://git.example/bears/app"),
        ("git@git.example:bears/app.git", "https://git.example/bears/app"),
        ("ssh://git@git.example:2222/bears/app.git", "https://git.example/bears/app"),
        ("/home/bear/app", ""),
        ("../app", ""),
        ("file:///home/bear/app", ""),
        ("", ""),
    ],
)
def test_the_source_is_an_address_for_people_without_a_login(address: str, found: str) -> None:
    assert revision.source(address) == found


def test_labels_are_of_the_commit_and_not_of_the_day() -> None:
    name = "org.opencontainers.image"
    assert revision.labels(AT, {}) == {
        f"{name}.version": "v1",
        f"{name}.revision": "0123abcd",
        f"{name}.source": "https://git.example/bears/app",
        f"{name}.created": "2026-11-26T12:00:00+00:00",
    }
    dirty = revision.labels(Revision("0123abcd", clean=False), {"GOLDI_VERSION": "2"})
    assert dirty == {f"{name}.version": "2", f"{name}.revision": "0123abcd-dirty"}
    assert revision.labels(Revision(), {}) == {}

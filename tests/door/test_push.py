"""`build.push` and `--cache-from` from the command line to bake's arguments; what registries say, to one sentence."""

import itertools

import pytest

from tests.door.conftest import Stage, one_sentence

pytestmark = pytest.mark.door


def sets(stage: Stage, word: str = "--metadata-file") -> list[str]:
    argv = next(argv for argv in stage.docker.calls if word in argv)
    return [value for flag, value in itertools.pairwise(argv) if flag == "--set"]


def test_a_push_says_tags_output_and_provenance(stage: Stage) -> None:
    stage.env |= {"GOLDI_REGISTRY": "127.0.0.1:1/bears"}
    done = stage.goldi("build.push", "--tag", "1", "--tag", "2", "--no-sbom")
    assert done.returncode == 0, done.stderr
    assert "the cache registry 127.0.0.1:1 does not answer (connection refused): building without it" in done.stdout
    said = sets(stage)
    assert [text for text in said if "tags" in text] == [
        "production.tags=127.0.0.1:1/bears/three-bears:1",
        "production.tags=127.0.0.1:1/bears/three-bears:2",
    ]
    assert "production.output=type=image,push=true,compression=gzip,force-compression=true" in said
    (argv,) = [argv for argv in stage.docker.calls if "--metadata-file" in argv]
    assert "--provenance=mode=max" in argv


def test_an_sbom_is_made_where_its_image_is_here(stage: Stage) -> None:
    stage.env |= {"GOLDI_REGISTRY": "127.0.0.1:1"}
    assert stage.goldi("build.push").returncode == 0
    (argv,) = [argv for argv in stage.docker.calls if "--metadata-file" in argv]
    assert "--sbom=generator=docker/buildkit-syft-scanner:stable-1" in argv
    for asked in ("image inspect", "buildx imagetools", "pull"):
        stage.docker.answer(asked, code=1)
    done = stage.goldi("build.push")
    assert "goldi: pushed without an SBOM: docker/buildkit-syft-scanner:stable-1 is not available" in done.stdout


def test_what_is_beside_ours_is_read_and_checked_before(stage: Stage) -> None:
    assert stage.goldi("build.prod", "--cache-from", "reg.example/a:b", "--force").returncode == 0
    said = [text for text in sets(stage) if "cache-from" in text]
    assert len(said) == 2
    assert said[0].startswith('production.cache-from=type=local,"src=')
    assert said[1] == "production.cache-from=type=registry,ref=reg.example/a:b"
    calls = len(stage.docker.calls)
    done = stage.goldi("build.prod", "--cache-from", "type=registy,ref=x")
    assert done.returncode == 5
    assert "Did you mean 'registry'?" in one_sentence(done)
    assert len(stage.docker.calls) == calls


@pytest.mark.parametrize(
    ("words", "env", "code", "said"),
    [
        (("build.push",), {}, 3, "no registry is set to push three-bears to. Set `registry`"),
        (("build.push",), {"GOLDI_REGISTRY": "https://x"}, 3, "GOLDI_REGISTRY must be a registry or repository name"),
        (("build.push", "--tag", "a/b"), {"GOLDI_REGISTRY": "x.example"}, 5, "'a/b' is not a valid tag"),
        (
            ("build.prod",),
            {"GOLDI_CACHE_BACKEND": "registry"},
            3,
            "the cache backend registry needs a registry, and no registry is set",
        ),
        (
            ("build.prod",),
            {"GOLDI_CACHE_BACKEND": "s3"},
            3,
            "must be 'local' or 'registry' or 'gha' or 'inline' or 'none', not 's3'",
        ),
    ],
)
def test_mistakes_are_one_sentence(
    stage: Stage, words: tuple[str, ...], env: dict[str, str], code: int, said: str
) -> None:
    stage.env |= env
    done = stage.goldi(*words)
    assert done.returncode == code
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


REFUSED = (
    "ERROR: failed to solve: failed to push 127.0.0.1:1/three-bears:latest: unexpected status from HEAD request to"
    " http://127.0.0.1:1/v2/three-bears/blobs/sha256:0: {}\n"
)


def test_a_refusal_is_told_once_with_a_code_of_its_own(stage: Stage) -> None:
    stage.env |= {"GOLDI_REGISTRY": "127.0.0.1:1"}
    stage.docker.answer("buildx bake", code=1, stderr=REFUSED.format("401 Unauthorized"))
    done = stage.goldi("build.push", "--no-sbom")
    assert done.returncode == 22
    assert done.stderr.splitlines()[-1] == (
        "goldi: the registry 127.0.0.1:1 refuses 127.0.0.1:1/three-bears:latest: 401 Unauthorized. "
        "Run `docker login 127.0.0.1:1` with an account that has access."
    )
    assert sum("--metadata-file" in argv for argv in stage.docker.calls) == 1


def test_what_a_wait_may_mend_is_tried_again(stage: Stage) -> None:
    stage.env |= {"GOLDI_REGISTRY": "127.0.0.1:1"}
    stage.docker.answer("buildx bake", code=[1, 0], stderr=REFUSED.format("429 Too Many Requests"))
    done = stage.goldi("build.push", "--no-sbom")
    assert done.returncode == 0, done.stderr
    assert "got too many requests from here: 429 Too Many Requests: trying again in 1 s" in done.stdout


def test_githubs_cache_without_its_variables_is_left_out(stage: Stage) -> None:
    stage.env |= {"GOLDI_CACHE_BACKEND": "gha"}
    done = stage.goldi("build.prod")
    assert done.returncode == 0
    assert "GitHub's cache cannot be reached, since ACTIONS_CACHE_URL is not set: building without it" in done.stdout
    stage.env |= {"ACTIONS_CACHE_URL": "http://127.0.0.1:1/", "ACTIONS_RUNTIME_TOKEN": "x", "GITHUB_REF_NAME": "bowl"}
    assert stage.goldi("build.prod", "--force").returncode == 0
    exported = next(argv for argv in stage.docker.calls if "*.output=type=cacheonly" in argv)
    assert "production.cache-to=type=gha,mode=max,scope=production-linux-amd64-bowl" in exported
    assert not [argv for argv in stage.docker.calls if any("cache-to=type=local" in word for word in argv)]


def test_a_cache_that_breaks_off_fails_no_build(stage: Stage) -> None:
    stage.env |= {
        "GOLDI_CACHE_BACKEND": "gha",
        "ACTIONS_CACHE_URL": "http://127.0.0.1:1/",
        "ACTIONS_RUNTIME_TOKEN": "x",
    }
    said = (
        "ERROR: failed to solve: failed to configure gha cache exporter: token contains an invalid number of segments\n"
    )
    stage.docker.answer("buildx bake", code=[1, 0], stderr=said)
    done = stage.goldi("build.prod")
    assert done.returncode == 0, done.stderr
    assert "goldi: a remote cache made the build fail: building without it" in done.stdout

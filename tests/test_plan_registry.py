"""What buildx says of registries that do not want: of 0.13.1 word by word, and as later ones put it."""

import pytest

from goldi_tasks.client import registry_errors

BLOB = "v2/bears/app/blobs/sha256:00c936769db5c0d7225dbf81bd305804ddb879079bba7d845694e0f003514d5a"
PUSH = "ERROR: failed to solve: failed to push reg.example:5000/bears/app:1: "
HEAD = f'failed to do request: Head "https://reg.example:5000/{BLOB}": '


def status(text: str) -> str:
    return f"{PUSH}unexpected status from HEAD request to https://reg.example:5000/{BLOB}: {text}"


@pytest.mark.parametrize(
    ("line", "kind", "passes", "reason"),
    [
        (status("401 Unauthorized"), "refused", False, "401 Unauthorized"),
        (status("403 Forbidden"), "refused", False, "403 Forbidden"),
        (PUSH + "push access denied, repository does not exist", "refused", False, ""),
        (status("404 Not Found"), "odd", False, "404 Not Found"),
        (status("429 Too Many Requests"), "busy", True, "429 Too Many Requests"),
        (status("500 Internal Server Error"), "broken", True, "500 Internal Server Error"),
        (status("503 Service Unavailable"), "broken", True, "503 Service Unavailable"),
        (PUSH + HEAD + "dial tcp 127.0.0.1:1: connect: connection refused", "dead", False, "connection refused"),
        (PUSH + HEAD + "dial tcp: lookup reg.example on 10.0.0.1:53: no such host", "dead", False, "no such host"),
        (PUSH + HEAD + "http: server gave HTTP response to HTTPS client", "plain", False, ""),
        (PUSH + HEAD + "tls: first record does not look like a TLS handshake", "plain", False, ""),
        (PUSH + HEAD + "tls: failed to verify certificate: x509: unknown authority", "untrusted", False, ""),
        (PUSH + HEAD + "net/http: TLS handshake timeout", "cut", True, "TLS handshake timeout"),
        (PUSH + HEAD + "read tcp 1.2.3.4:5->6.7.8.9:5000: read: connection reset by peer", "cut", True, ""),
        # Newer ones: a method, the registry's own code and message, nothing but those, or a class of errors at the end.
        (status("403 Forbidden").replace("HEAD", "PUT"), "refused", False, "403 Forbidden"),
        (status("403 Forbidden: denied: no quota: unknown"), "refused", False, "403 Forbidden"),
        (status("403"), "refused", False, "403 Forbidden"),
        (PUSH + "failed commit on ref: unexpected status code: 403", "refused", False, "403 Forbidden"),
        (PUSH + "error from registry: denied: requested access to the resource", "refused", False, "requested access"),
        (PUSH + "error from registry: denied", "refused", False, "denied"),
        (PUSH + "UNAUTHORIZED: authentication required: unknown", "refused", False, "authentication required"),
        (PUSH + "server message: insufficient_scope: authorization failed", "refused", False, "authorization failed"),
        (PUSH + "rpc error: code = PermissionDenied desc = not yours", "refused", False, ""),
        (PUSH + "error from registry: toomanyrequests: slow down", "busy", True, "slow down"),
        (PUSH + "error from registry: unavailable: service unavailable", "broken", True, "service unavailable"),
        (PUSH + "unexpected status code 502", "broken", True, "502 Bad Gateway"),
        (PUSH + "error from registry: name unknown: no such repository", "odd", False, "no such repository"),
        (PUSH + "unknown", "odd", False, "it gives no reason"),
        (PUSH + "unknown: unknown error", "odd", False, "it gives no reason"),
        (PUSH + "dial tcp 127.0.0.1:500: connect: connection refused", "dead", False, "connection refused"),
        (PUSH + "x509: certificate is not authorized to sign other certificates", "untrusted", False, ""),
        (f"ERROR: target app: {status('429 Too Many Requests')[7:]}", "busy", True, "429 Too Many Requests"),
    ],
)
def test_a_push_that_fails_is_told_by_its_kind(line: str, kind: str, passes: bool, reason: str) -> None:
    found = registry_errors.read(["#1 something else", line])
    assert found
    assert (found.kind, found.passes, found.host) == (kind, passes, "reg.example:5000")
    assert found.name == "reg.example:5000/bears/app:1"
    assert reason in found.reason
    assert "reg.example:5000" in found.problem
    assert found.remedy
    assert ("docker login reg.example:5000" in found.remedy) is (kind in ("refused", "busy", "odd"))


def test_a_base_image_that_is_refused_or_asked_for_too_often_is_told_too() -> None:
    base = "ERROR: failed to solve: reg.example/py:3: failed to resolve source metadata for reg.example/py:3: "
    said = "unexpected status from HEAD request to https://reg.example/v2/py/manifests/3: "
    found = registry_errors.read([base + said + "429 Too Many Requests"])
    assert found
    assert (found.kind, found.name) == ("busy", "reg.example/py:3")
    # Of what is wrong with a name buildx speaks best.
    assert registry_errors.read([base + said + "404 Not Found"]) is None


@pytest.mark.parametrize(
    ("name", "host", "end", "problem", "remedy"),
    [
        (
            *("node:22-trixie-slim", "registry-1.docker.io", "dial tcp: lookup x on 1.2.3.4:53: no such host"),
            *(
                "node:22-trixie-slim is not on this machine, and the registry registry-1.docker.io does not answer",
                "engine.up",
            ),
        ),
        (
            "reg.example/py:3",
            "reg.example",
            "dial tcp 1.2.3.4:443: i/o timeout",
            "reg.example/py:3 is not",
            "engine.up",
        ),
        (
            *("localhost/goldi/python:3", "localhost", "dial tcp 127.0.0.1:443: connect: connection refused"),
            *(
                "the builder does not have localhost/goldi/python:3, which was built on this machine",
                "buildx use default",
            ),
        ),
    ],
)
def test_a_base_image_that_cannot_be_had(name: str, host: str, end: str, problem: str, remedy: str) -> None:
    begin = f"ERROR: failed to solve: {name}: failed to resolve source metadata for docker.io/{name}: "
    found = registry_errors.read([begin + f'failed to do request: Head "https://{host}/v2/x/manifests/3": {end}'])
    assert found
    assert found.problem.startswith(problem)
    assert remedy in found.remedy
    assert not found.passes, "no second try: it would wait as long again"


@pytest.mark.parametrize(
    "line",
    [
        'ERROR: failed to solve: process "/bin/sh -c curl https://x.example/v2/ # 401 Unauthorized" exit code: 22',
        "ERROR: failed to solve: not found",
        "#8 ERROR: failed to push reg.example/a:1: 429 Too Many Requests",
        "a step that says: failed to push reg.example/a: 401 Unauthorized",
        "",
    ],
)
def test_what_steps_say_is_no_word_of_a_registry(line: str) -> None:
    found = registry_errors.read([line])
    assert found is None or "x.example" in found.host


def test_a_cache_that_is_not_there_yet_is_no_trouble() -> None:
    name = "reg.example/app-cache:main"
    assert (
        registry_errors.explain_cache_error(name, f"failed to configure registry cache importer: {name}: not found")
        == ""
    )
    assert registry_errors.explain_cache_error(name, "") == ""
    refused = registry_errors.explain_cache_error(
        name, "unexpected status from HEAD request to https://reg.example/v2/x: 401 Unauthorized"
    )
    assert refused.startswith("since the registry reg.example refuses the request: 401 Unauthorized (Run `docker login")


def test_a_name_has_a_registry_or_the_public_one() -> None:
    assert registry_errors.host("python:3") == registry_errors.host("docker/x") == "docker.io"
    assert registry_errors.host("localhost/x") == "localhost"
    assert registry_errors.host("127.0.0.1:5000/a/b:1") == "127.0.0.1:5000"


def test_a_push_is_tried_for_less_than_half_a_minute_longer() -> None:
    assert list(registry_errors.DELAYS) == sorted(registry_errors.DELAYS)
    assert sum(registry_errors.DELAYS) < 30

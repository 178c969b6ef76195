"""Builders that the settings choose: what is refused, and the argument lists, also of those that no test runs."""

from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.bake.builders import builder_model
from goldi_tasks.errors import SettingsError
from goldi_tasks.settings import Settings

HERE = Path("/state/builders/x")


def chosen(driver: str, endpoint: str = "", options: str = "", certificates: str = "") -> builder_model.Builder:
    pairs = tuple(sorted(tuple(part.split("=", 1)) for part in options.split(";") if part))
    given: dict[str, Any] = {"builder_options": pairs, "builder_certificates": certificates}
    found = builder_model.make_builder(
        Settings(Path("/x"), builder_driver=driver, builder_endpoint=endpoint, **given), HERE
    )
    assert found
    return found


def test_nothing_is_chosen_where_nothing_is_set() -> None:
    assert builder_model.make_builder(Settings(Path("/x")), HERE) is None


@pytest.mark.parametrize(
    ("settings", "problem", "remedy"),
    [
        (("docker", "tpc://far:1"), "the unknown scheme 'tpc'", "Did you mean 'tcp'?"),
        (("docker", "http://far:1"), "the unknown scheme 'http'", "Known: ssh, tcp, unix"),
        (("docker", "tcp://far"), "'tcp://far' has no host and port", "tcp://host:2376"),
        (("docker", "tcp://far:port"), "has no host and port", "tcp://host:2376"),
        (("docker", "tcp://far:70000"), "has no host and port", "tcp://host:2376"),
        (("docker", "tcp://:2376"), "has no host and port", "tcp://host:2376"),
        (("docker", "ssh://"), "'ssh://' has no host or path", "ssh://me@host"),
        (("docker", "ssh://me@a b"), "has no host or path", "ssh://me@host"),
        (("docker", "/var/run/docker.sock"), "has no scheme", "unix://"),
        (("docker", "-x"), "has no scheme", "ssh://"),
        (("remote",), "the driver remote needs builder.endpoint", "tcp://host:1234"),
        (("remote", "far:1234"), "has no scheme", "tcp://"),
        (("remote", "kube-pods://x"), "the unknown scheme 'kube-pods'", "Did you mean 'kube-pod'?"),
        (("kubernetes", "production"), "is no kubeconfig file", "absolute path"),
        (("docker", "", "image=x"), "the driver docker takes no options", "Remove it"),
        (("remote", "tcp://far:1", "cacrt=/x"), "the driver remote has no option 'cacrt'", "Known: servername"),
        (("kubernetes", "", "namespce=ci"), "no option 'namespce'", "Did you mean 'namespace'?"),
        (("kubernetes", "", "env.A=1"), "no option 'env.A'", "Known: "),
        (("kubernetes", "", "replicas=0"), "replicas must be a number above 0, not '0'", "docs"),
        (("kubernetes", "", "replicas=two"), "replicas must be a number above 0, not 'two'", "docs"),
        (("kubernetes", "", "rootless=yes"), "rootless must be true or false, not 'yes'", "docs"),
        (("kubernetes", "", "limits.cpu=much"), "limits.cpu must be CPUs such as 2 or 100m", "docs"),
        (("kubernetes", "", "requests.memory=4 GB"), "requests.memory must be a size such as 500Mi", "docs"),
        (("kubernetes", "", "loadbalance=fair"), "loadbalance must be sticky or random, not 'fair'", "docs"),
        (("kubernetes", "", "timeout=120"), "timeout must be a time such as 120s, not '120'", "docs"),
        (("kubernetes", "", "nodeselector=arm64"), "nodeselector must be names and values", "docs"),
        (("docker-container", "", "memory=lots"), "memory must be a size such as 512m, not 'lots'", "docs"),
        (("docker-container", "", "cpu-quota=1.5"), "cpu-quota must be a whole number, not '1.5'", "docs"),
        (("docker-container", "", "env.=1"), "no option 'env.'", "Known: "),
        (("docker-container", "tcp://far:1", "", "/keys"), "from a docker context", "docker context create"),
        (("docker", "", "", "/keys"), "certificates are for tcp://, and builder.endpoint is not set", "Remove"),
        (("remote", "unix:///x", "", "/keys"), "certificates are for tcp://, and builder.endpoint is 'unix", "Remove"),
    ],
)
def test_what_cannot_be_is_refused(settings: tuple[str, ...], problem: str, remedy: str) -> None:
    with pytest.raises(SettingsError) as refused:
        chosen(*settings)
    assert problem in refused.value.problem
    assert remedy in refused.value.remedy


@pytest.mark.parametrize(
    "rest", [{"builder_endpoint": "tcp://far:1"}, {"builder_options": (("a", "1"),)}, {"builder_certificates": "/keys"}]
)
def test_the_rest_says_nothing_without_a_driver(rest: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="without a driver"):
        builder_model.make_builder(Settings(Path("/x"), **rest), HERE)


def test_the_client_is_led_to_another_engine() -> None:
    found = chosen("docker", "tcp://far:2376", certificates="/keys")
    tls = {"DOCKER_HOST": "tcp://far:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/keys"}
    assert found.env == tls | {"DOCKER_CONTEXT": ""}
    assert (found.name, found.is_created) == ("default", False)
    nothing = {"DOCKER_TLS_VERIFY": "", "DOCKER_CERT_PATH": ""}
    assert chosen("docker", "ssh://me@far").env == nothing | {"DOCKER_HOST": "ssh://me@far", "DOCKER_CONTEXT": ""}
    # DOCKER_HOST would beat the context.
    found = chosen("docker", "far-machine")
    assert found.env == nothing | {"DOCKER_HOST": "", "DOCKER_CONTEXT": "far-machine"}
    assert found.context == "far-machine"
    assert chosen("docker").env == {}
    assert builder_model.inspect_command(found).argv == ("docker", "version", "--format", "{{.Server.Version}}")


@pytest.mark.parametrize(
    ("settings", "arguments"),
    [
        (("docker-container",), ()),
        (("docker-container", "far-machine"), ("far-machine",)),
        (("docker-container", "ssh://me@far", "memory=2g"), ("--driver-opt", "memory=2g", "ssh://me@far")),
        (
            ("docker-container", "", 'env.WORDS=a,"b"'),
            ("--driver-opt", '"env.WORDS=a,""b"""'),
        ),
        (("remote", "tcp://far:1234"), ("tcp://far:1234",)),
        (("remote", "docker-container://buildkitd"), ("docker-container://buildkitd",)),
        (
            ("remote", "tcp://far:1234", "servername=inside", "/keys"),
            (
                *("--driver-opt", "servername=inside", "--driver-opt", "cacert=/keys/ca.pem"),
                *("--driver-opt", "cert=/keys/cert.pem", "--driver-opt", "key=/keys/key.pem", "tcp://far:1234"),
            ),
        ),
        (
            ("kubernetes", "", "namespace=ci;nodeselector=kubernetes.io/arch=arm64,a=b;replicas=2"),
            (
                *("--driver-opt", "namespace=ci", "--driver-opt", '"nodeselector=kubernetes.io/arch=arm64,a=b"'),
                *("--driver-opt", "replicas=2"),
            ),
        ),
        (("kubernetes", "/home/me/.kube/far"), ()),
    ],
)
def test_what_buildx_is_told_of_a_builder(settings: tuple[str, ...], arguments: tuple[str, ...]) -> None:
    found = chosen(*settings)
    head = ("docker", "buildx", "create", "--name", found.name, "--driver", settings[0])
    assert builder_model.create(found).argv == (*head, *arguments)
    assert found.name.startswith("goldilocks-")
    assert found.env["BUILDX_CONFIG"] == str(HERE)
    assert builder_model.inspect_command(found).argv == ("docker", "buildx", "inspect", found.name)
    assert builder_model.inspect_command(found, start=True).argv == (
        "docker",
        "buildx",
        "inspect",
        "--bootstrap",
        found.name,
    )
    assert builder_model.remove(found.name, HERE).env == {"BUILDX_CONFIG": str(HERE)}


def test_kubernetes_has_the_kubeconfig_that_is_named() -> None:
    """buildx: "kubernetes driver does not support endpoint args"; it takes KUBECONFIG, and keeps it."""
    assert chosen("kubernetes", "/far.yaml").env["KUBECONFIG"] == "/far.yaml"
    assert "KUBECONFIG" not in chosen("kubernetes").env


def test_another_setting_is_another_builder() -> None:
    names = [
        chosen("remote", "tcp://far:1").name,
        chosen("remote", "tcp://far:2").name,
        chosen("remote", "tcp://far:1", "servername=x").name,
        chosen("remote", "tcp://far:1", "", "/keys").name,
        chosen("docker-container").name,
        chosen("kubernetes").name,
    ]
    assert len(set(names)) == len(names)
    assert chosen("remote", "tcp://far:1").name == names[0]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "docker version: Cannot connect to the Docker daemon at tcp://far:1. Is the docker daemon running?",
            "Cannot connect to the Docker daemon at tcp://far:1",
        ),
        (
            'docker version: error during connect: Get "https://far:1/v1.45/version": tls: unknown authority',
            "tls: unknown authority",
        ),
        (
            'docker version: error during connect: Get "http://docker.example.com/v1.45/version": command [ssh -l me] '
            "has exited with exit status 255, stderr=ssh: connect to host far port 22: Connection refused",
            "ssh: connect to host far port 22: Connection refused",
        ),
        (
            "docker buildx: #1 [internal] booting\n#1 pulling image\n#1 ERROR: no such host\n------\n > [internal]",
            "no such host",
        ),
        ("docker buildx: no answer within 10 s", "no answer within 10 s"),
        ("", "docker printed no reason"),
    ],
)
def test_why_a_builder_cannot_be_had(said: str, reason: str) -> None:
    assert builder_model.extract_reason(said) == reason


def test_a_builder_runs_if_one_of_its_nodes_does() -> None:
    assert builder_model.is_running(
        "Name:   x\nDriver: remote\n\nNodes:\nName:     x0\nStatus:           running\nBuildKit: v1\n"
    )
    assert not builder_model.is_running("Name: running\nNodes:\nStatus:   inactive\n")

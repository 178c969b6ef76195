"""An emulator that is registered, and a small image for two platforms that is built, kept and run."""

import json
import os
import shutil
import time
import urllib.request
from collections.abc import Iterator

import pytest

from goldi_tasks.engine import emulation
from tests.real.conftest import GOLDI, REPOSITORY, Project, docker

pytestmark = [
    pytest.mark.real,
    pytest.mark.by_hand,
    pytest.mark.skipif(os.getuid() != 0, reason="an emulator is registered as root"),
]

BOTH = "linux/amd64,linux/arm64"
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
# Fetched on the platform that builds; one step is emulated.
DOCKERFILE = """\
ARG PYTHON_IMAGE
FROM --platform=${BUILDPLATFORM} ${PYTHON_IMAGE} AS fetched
ARG TARGETARCH
RUN --mount=type=bind,source=infrastructure/docker/scripts/online.sh,target=/usr/local/bin/online \\
    --mount=type=secret,id=ca_bundle --mount=type=secret,id=build_env \\
    echo "APT::Architecture \\"${TARGETARCH}\\"; APT::Architectures \\"${TARGETARCH}\\";" > /etc/apt/apt.conf.d/a \\
 && online apt-get update && online apt-get download busybox-static && dpkg-deb --extract busybox*.deb /b

FROM scratch AS production
COPY --from=fetched /b/usr/bin/busybox /bin/busybox
COPY slow /www/slow
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox uname -m > /www/machine"]
CMD ["/bin/busybox", "httpd", "-f", "-p", "8000", "-h", "/www"]
"""


@pytest.fixture
def both(tiny: Project) -> Iterator[Project]:
    """A project that is built for two platforms, on a machine that runs both."""
    scripts = tiny.path / "infrastructure/docker/scripts"
    scripts.mkdir()
    shutil.copy(REPOSITORY / "infrastructure/docker/scripts/online.sh", scripts)
    (tiny.path / "infrastructure/docker/Dockerfile").write_text(DOCKERFILE)
    ours = not [one for one in emulation.handlers() if one.name.startswith("goldi-")]
    tiny.goldi("build.binfmt", "--install")
    yield tiny
    if ours:
        assert "removed" in tiny.goldi("build.binfmt", "--uninstall") or emulation.handlers()
        assert not [one for one in emulation.handlers() if one.name.startswith("goldi-")]


def fetch(image: str, platform: str, path: str) -> str:
    """What a container of the image for `platform` serves at `path`."""
    container = docker("run", "--detach", "--platform", platform, "--publish", "127.0.0.1::8000", image)
    try:
        address = docker("port", container, "8000").splitlines()[0]
        for _ in range(100):
            try:
                with urllib.request.urlopen(f"http://{address}/{path}", timeout=5) as answer:
                    return str(answer.read().decode()).strip()
            except OSError:
                time.sleep(0.1)
        pytest.fail(docker("logs", container))
    finally:
        docker("rm", "--force", container)


def test_two_platforms_in_one_image(both: Project) -> None:
    rows = json.loads(both.goldi("build.binfmt", "--json"))
    assert {row["runs"] for row in rows} <= {"native", "emulated"}
    both.goldi("build.prod", "--platform", BOTH)
    for platform, machine in MACHINES.items():
        assert fetch(both.image, platform, "machine") == machine
    assert "up to date" in both.goldi("build.prod", "--platform", BOTH)

    # A cache for the set of platforms, and a change that reaches both.
    assert list((both.cache_root / ".buildx-cache-production").glob("*/linux-amd64_linux-arm64"))
    (both.path / "slow").write_text("changed")
    assert "up to date" not in both.goldi("build.prod", "--platform", BOTH)
    for platform in MACHINES:
        assert fetch(both.image, platform, "slow") == "changed"


def test_a_handler_that_the_kernel_has_and_another_proc_does_not_show_is_no_mistake(both: Project) -> None:
    alone = ("unshare", "--mount", "--pid", "--fork", "--mount-proc")
    assert "runs here, emulated" in both.run(*alone, GOLDI, "build.binfmt", "--install")
    assert "every platform runs here already" in both.goldi("build.binfmt", "--install")

"""The reference app for two platforms, by hand: `nox -s long-platforms`. The first time it makes our arm64 image."""

import json
import os
import time

import pytest

from tests.real.conftest import Project, docker
from tests.real.test_build import get

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.getuid() != 0, reason="an emulator is registered as root")]

BOTH = ("--platform", "linux/amd64,linux/arm64")


def serve(image: str, platform: str) -> str:
    """What the app of a platform answers at /health; emulated it takes seconds to start."""
    container = docker("run", "--detach", "--platform", platform, "--publish", "127.0.0.1::8000", image)
    try:
        address = docker("port", container, "8000").splitlines()[0]
        for _ in range(600):
            try:
                return get(f"http://{address}/health")
            except OSError:
                time.sleep(0.2)
        pytest.fail(docker("logs", container))
    finally:
        docker("rm", "--force", container)


def machine(image: str, platform: str) -> str:
    code = "import sys, platform, pydantic_core; print(platform.machine(), sys.version_info[:2])"
    return docker("run", "--rm", "--platform", platform, image, "python", "-c", code)


def test_the_app_is_built_for_two_platforms_and_serves_on_both(app: Project) -> None:
    app.goldi("build.binfmt", "--install")
    began = time.monotonic()
    app.goldi("build.prod", *BOTH)
    print(f"cold {time.monotonic() - began:.1f} s")
    for platform, word in (("linux/amd64", "x86_64"), ("linux/arm64", "aarch64")):
        assert machine(app.image, platform).startswith(word)
        assert json.loads(serve(app.image, platform)) == {"status": "ok"}
    assert "up to date" in app.goldi("build.prod", *BOTH)

    seconds = {}
    for name, options in (("native", ()), ("arm64", ("--platform", "linux/arm64")), ("both", BOTH)):
        app.goldi("build.prod", *options)
        (app.path / "goldilocks/__init__.py").write_text(f'"""{name}"""\n')
        began = time.monotonic()
        app.goldi("build.prod", *options)
        seconds[name] = time.monotonic() - began
    print(seconds)
    assert seconds["arm64"] < 2.5 * seconds["native"], "the issue's bound on a change of code"

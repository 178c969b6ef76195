"""The dev container CLI of our own, where nobody has installed one."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.devcontainer import devcontainer_cli
from goldi_tasks.errors import CommandFailed, NoDevcontainer


@pytest.fixture(autouse=True)
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The directories that npm, which is all that is there, was told to install it in."""
    told: list[Path] = []

    def install(command: Command) -> str:
        told.append(Path(command.argv[command.argv.index("--prefix") + 1]))
        (told[-1] / "node_modules/.bin").mkdir(parents=True)
        (told[-1] / "node_modules/.bin/devcontainer").touch()
        return ""

    monkeypatch.setattr(process, "capture", install)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/npm" if name == "npm" else None)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return told


def test_many_at_once_install_it_once(npm: list[Path]) -> None:
    with ThreadPoolExecutor(4) as pool:
        programs = set(pool.map(lambda _: devcontainer_cli.program(), range(8)))
    assert programs == {str(devcontainer_cli.own())}
    assert devcontainer_cli.own().exists()
    assert len(npm) == 1


def test_what_was_cut_off_is_done_again(npm: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: Command) -> str:
        raise CommandFailed("no network", 1)

    with monkeypatch.context() as patch:
        patch.setattr(process, "capture", fail)
        with pytest.raises(NoDevcontainer, match=r"npm could not install .*: no network"):
            devcontainer_cli.program()
    assert not devcontainer_cli.folder().exists()
    assert Path(devcontainer_cli.program()).exists()
    assert [path.name for path in devcontainer_cli.folder().parent.iterdir()] == [devcontainer_cli.folder().name]

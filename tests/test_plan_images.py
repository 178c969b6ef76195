from pathlib import Path

import pytest

from goldi_tasks import settings as project_settings
from goldi_tasks.settings import Settings
from goldi_tasks.settings.image_names import base_images

OFFICIAL = {"PYTHON_IMAGE": Settings.python_image, "NODE_IMAGE": Settings.node_image}
OURS = {"PYTHON_IMAGE": "goldi/python:3.13", "NODE_IMAGE": "goldi/node:20"}
ENV_FILE = "# written by engine.up\nPYTHON_IMAGE=goldi/python:3.13\n  NODE_IMAGE=goldi/node:20\nCOMPOSE_BAKE=1\n"


def test_the_official_images_by_default(project: Path) -> None:
    assert base_images(project_settings.load(project, {}), "") == OFFICIAL


def test_those_that_were_made_for_this_machine(project: Path) -> None:
    assert base_images(project_settings.load(project, {}), ENV_FILE) == OURS


@pytest.mark.parametrize("env_file", ["PYTHON_IMAGE=\n", "\n\n", "#PYTHON_IMAGE=x\n", "OTHER=x\n", "PYTHON_IMAGE\n"])
def test_lines_that_name_no_image_change_nothing(project: Path, env_file: str) -> None:
    assert base_images(project_settings.load(project, {}), env_file) == OFFICIAL


def test_a_users_choice_is_never_replaced(project: Path) -> None:
    chosen = project_settings.load(project, {"PYTHON_IMAGE": "mirror/python:3"})
    assert base_images(chosen, ENV_FILE) == {"PYTHON_IMAGE": "mirror/python:3", "NODE_IMAGE": Settings.node_image}

"""The CI's files are what GitHub and GitLab take, trust nobody they need not, and say the same."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests import workflows
from tests.conftest import REPO

pytestmark = pytest.mark.contract

BIN = Path(sys.executable).parent
PINNED = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def run(*argv: object) -> str:
    done = subprocess.run(tuple(map(str, argv)), cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_workflow_is_one_and_sound() -> None:
    run(BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", workflows.WORKFLOW)
    run(BIN / "check-jsonschema", "--builtin-schema", "custom.github-workflows-require-timeout", workflows.WORKFLOW)
    run(BIN / "zizmor", "--offline", "--persona", "pedantic", workflows.WORKFLOW)


def test_zizmor_would_find_something(tmp_path: Path) -> None:
    """That it is silent says something."""
    bad = tmp_path / ".github/workflows/bad.yml"
    bad.parent.mkdir(parents=True)
    bad.write_text(workflows.WORKFLOW.read_text().replace("persist-credentials: false", "fetch-depth: 1"))
    done = subprocess.run((BIN / "zizmor", "--offline", bad), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "artipacked" in done.stdout


def test_actions_are_pinned_by_commit_with_their_version_beside() -> None:
    used = [line.strip(" -") for line in workflows.WORKFLOW.read_text().splitlines() if "uses:" in line]
    assert len(used) >= 4
    assert [line for line in used if not PINNED.search(line)] == []


def test_nothing_is_allowed_but_to_read() -> None:
    found = workflows.workflow()
    assert found["permissions"] == {}
    assert [job["permissions"] for job in found["jobs"].values()] == [{"contents": "read"}] * len(found["jobs"])


def test_no_expression_is_in_a_command() -> None:
    assert [step.run for step in workflows.steps() if "${{" in step.run] == []


def test_gitlabs_form_is_one_and_runs_what_the_workflow_runs(tmp_path: Path) -> None:
    file = tmp_path / "gitlab-ci.yml"
    file.write_text(workflows.gitlab())
    schema = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    run(BIN / "check-jsonschema", *schema, file)
    script = YAML(typ="safe").load(workflows.gitlab())["check"]["script"]
    ours = [step.run.replace('"$RUNNER_TEMP/checks.xml"', "checks.xml") for step in workflows.steps()]
    assert script == [line for line in ours if line in script]
    assert len(script) == 4


def test_hooks_have_the_versions_of_the_lock() -> None:
    hooks = YAML(typ="safe").load(REPO / ".pre-commit-config.yaml")["repos"][0]["hooks"]
    wanted = [name for hook in hooks for name in hook.get("additional_dependencies", ())]
    lock = (REPO / "requirements-dev.lock").read_text()
    assert len(wanted) >= 6
    assert [name for name in wanted if f"\n{name} \\\n" not in lock] == []

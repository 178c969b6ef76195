"""What the CI's files say: GitHub's workflow of this repository, and GitLab's form in the documentation."""

import re
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from tests.conftest import REPO

WORKFLOW = REPO / ".github/workflows/ci.yml"
DOCUMENTATION = REPO / "docs/ci.md"


class Step(NamedTuple):
    """A step that runs a command: whose job it is, its id if it has one, and its environment."""

    job: str
    run: str
    id: str
    env: dict[str, str]


def workflow() -> dict[str, Any]:
    return dict(YAML(typ="safe").load(WORKFLOW))


def steps() -> list[Step]:
    """All that run a command, in order."""
    return [
        Step(name, step["run"], step.get("id", ""), step.get("env", {}))
        for name, job in workflow()["jobs"].items()
        for step in job["steps"]
        if "run" in step
    ]


def gitlab() -> str:
    """GitLab's form."""
    _, _, after = DOCUMENTATION.read_text(encoding="utf-8").partition("## GitLab")
    found = re.search(r"^```yaml\n(.*?)^```", after, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]

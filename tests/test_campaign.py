"""What decides a campaign, and what it finds out by itself: it is no good if it cannot find anything."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.campaign import faults, invariants, report, schedule
from tests.campaign.operations import OPERATIONS
from tests.campaign.report import Result
from tests.campaign.scene import Said

NAMES = list(schedule.FAULTS)


def test_every_operation_has_faults_and_every_row_an_operation() -> None:
    assert OPERATIONS.keys() == schedule.FAULTS.keys() >= schedule.WEIGHTS.keys()


def test_seed_and_number_decide_a_round() -> None:
    rounds = [schedule.one(7, number, NAMES) for number in range(300)]
    assert rounds[250] == schedule.one(7, 250, NAMES)
    assert rounds[250].random.random() == schedule.one(7, 250, NAMES).random.random()
    assert rounds != [schedule.one(8, number, NAMES) for number in range(300)]
    assert {plan.operation for plan in rounds} == set(NAMES)
    assert {plan.fault for plan in rounds} == {fault for row in schedule.FAULTS.values() for fault in row}


def test_operations_whose_task_is_not_there_are_left_out() -> None:
    tasks = {name: operation.task for name, operation in OPERATIONS.items()}
    assert schedule.available((), tasks, ["build.prod", "cache.status"]) == [
        "export",
        "cold",
        "build",
        "crowd",
        "status",
    ]
    assert schedule.available(("cold", "save"), tasks, ["build.prod"]) == ["cold"]


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """An OCI layout with a manifest and a layer."""
    blobs = tmp_path / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes, kind: str) -> dict[str, object]:
        name = hashlib.sha256(content).hexdigest()
        (blobs / name).write_bytes(content)
        return {"mediaType": kind, "digest": f"sha256:{name}", "size": len(content)}

    layer = put(bytes(5000), "application/vnd.oci.image.layer.v1.tar")
    manifest = put(json.dumps({"layers": [layer]}).encode(), "application/vnd.oci.image.manifest.v1+json")
    (tmp_path / "index.json").write_text(json.dumps({"manifests": [manifest]}), encoding="utf-8")
    return tmp_path


def test_a_good_layout_is_good(layout: Path) -> None:
    assert list(invariants.local(layout)) == []


@pytest.mark.parametrize("fault", schedule.DAMAGE)
def test_every_damage_of_a_blob_is_found(layout: Path, fault: str) -> None:
    for number, blob in enumerate(sorted((layout / "blobs/sha256").iterdir())):
        before = blob.read_bytes()
        faults.damage(blob, fault, schedule.one(1, number, NAMES).random)
        assert list(invariants.local(layout))
        blob.write_bytes(before)


def test_what_nothing_refers_to_is_found(layout: Path) -> None:
    content = bytes(600)
    (layout / "blobs/sha256" / hashlib.sha256(content).hexdigest()).write_bytes(content)
    assert "refers to" in " ".join(invariants.local(layout))


def test_a_traceback_is_found_unless_it_is_pythons_own() -> None:
    text = 'Traceback (most recent call last):\n  File "{}", line 1\nKeyboardInterrupt\n'
    ours, others = text.format("/x/goldi_tasks/cli.py"), text.format("<frozen site>")
    assert list(invariants.told("it", Said(0, ours, 0.0), ()))
    assert not list(invariants.told("it", Said(0, others, 0.0), ()))
    assert list(invariants.told("it", Said(3, "", 0.0), (0, 2)))


def test_the_figures() -> None:
    results = [Result(0, "build", "kill-all", [5, 9], hits=2, seconds=2.0), Result(1, "build", "kill-all", [7])]
    results.append(Result(2, "save", "flip", [7], hits=1, problems=["bad"]))
    told = report.as_json(results, 9)
    assert (told["seed"], told["kills"]) == (9, 2)
    assert [(row["operation"], row["rounds"], row["failures"]) for row in told["summary"]] == [
        ("build", 2, 0),
        ("save", 1, 1),
    ]
    assert "again: python -m tests.campaign --only build,save --seed 9 --most 1 --round 2" in "\n".join(
        report.failure(results[2], 9, ["build", "save"], "x")
    )


def test_a_round_may_have_more_kills_and_nothing_else_more_than_one() -> None:
    rounds = [schedule.one(5, number, list(schedule.FAULTS), most=4) for number in range(300)]
    again = {one.fault in schedule.KILLS and one.operation != "crowd" for one in rounds if len(one.shares) > 1}
    assert again == {True}
    assert {len(one.shares) for one in rounds} == {1, 2, 3, 4}
    first = [schedule.one(5, number, list(schedule.FAULTS)) for number in range(300)]
    assert [one.shares[0] for one in rounds] == [one.shares[0] for one in first]

"""The benchmark's pure parts: what is counted, what is changed, what is said."""

from pathlib import Path

from goldi_tasks.bake.build_benchmark import build_table, cache_hits
from goldi_tasks.bake.build_benchmark.cache_hits import Hits
from goldi_tasks.bake.build_benchmark.project_copy import source, without_one

REPO = Path(__file__).resolve().parent.parent

# As the plain view shows steps of builder and tools, side by side.
OUTPUT = """\
#7 [builder 1/3] RUN apt-get update && apt-get install --yes tini gcc
#7 0.100 Get:1 http://mirror/debian trixie InRelease [140 kB]
#8 [tools 3/4] RUN install-lock
#7 0.300 0 upgraded, 3 newly installed, 0 to remove and 0 not upgraded.
#8 0.310 Prepared 2 packages in 1.2s
#7 0.400 Need to get 100 kB/300 kB of archives.
#7 0.500 Get:1 http://mirror/debian trixie/main amd64 tini amd64 0.19 [255 kB]
#8 0.610 Installed 40 packages in 90ms
#8 0.620 bytecode: 100 files, 99 from the cache, 1 compiled
#9 [base 6/8] RUN pip install
#9 0.100 Collecting uv==0.13.9
#9 0.200   Using cached uv-0.13.9-py3-none-manylinux_2_17_x86_64.whl (1.0 MB)
#9 0.200   Downloading pip-25-py3-none-any.whl (1.8 MB)
#10 [frontend-npm 4/6] RUN npm ci
#10 0.1 Installed 9 packages in 1ms
"""


def test_items_are_counted_by_what_each_program_says_of_its_own_step() -> None:
    assert cache_hits.count(OUTPUT, ("builder", "tools")) == {
        "wheels": Hits(38, 40),
        "debs": Hits(2, 3),
        "bytecode": Hits(99, 100),
    }
    assert cache_hits.count(OUTPUT, ("base",))["wheels"] == Hits(1, 2)
    assert cache_hits.count(OUTPUT, ("nowhere",))["wheels"].rate is None


def test_a_package_that_nothing_depends_on_leaves_the_lock() -> None:
    lock = (REPO / "examples/goldilocks/requirements.lock").read_text()
    found = without_one(lock)
    assert found
    name, less = found
    assert f"\n{name}==" in lock
    assert f"\n{name}==" not in less
    assert lock.count("==") - less.count("==") == 1
    assert lock.startswith(less[: less.index("\n\n") if "\n\n" in less else 200])
    assert without_one("a==1\n    # via b\nb==1\n    # via a\n") is None
    assert without_one("a==1 --hash=sha256:00\n") is None, "nobody said why it is there"


def test_the_source_that_is_edited_is_the_apps() -> None:
    names = ["noxfile.py", "app/tests/test_x.py", "app/pkg/deep/b.py", "app/pkg/__init__.py", "app/pkg/a.py"]
    assert source(names, "app") == "app/pkg/a.py"
    assert source(["pkg/x.txt"], ".") == ""


def test_the_tables() -> None:
    seconds = {"first build": 30.0, "first build, single stage": 40.0, "nothing changed": 0.5}
    report = build_table.BuildTimes(5, seconds, {"dependencies": Hits(21, 22)}, "fastapi", (0.2, 0.16))
    text = "\n".join(build_table.lines(report))
    assert "| first build | 180-300 s | 30.0 s | single stage 40.0 s | 0.75 |" in text
    assert "| nothing changed | 10-30 s | 0.5 s |  |  |" in text
    assert "| dependencies | 95 % | 95.5 % | 22 |" in text
    assert "code changed" not in text
    assert build_table.as_json(report)["hits"] == {"dependencies": {"taken": 21, "needed": 22, "rate": 21 / 22}}

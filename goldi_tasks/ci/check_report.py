"""Report the results of checks as lines, JSON, JUnit XML, and the Markdown that a CI shows on the page of a run."""

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from goldi_tasks.ci.parallel import Run, plain_text
from goldi_tasks.ci.run_checks import Outcome

# Characters that XML 1.0 forbids, also as references: section 2.2, https://www.w3.org/TR/xml/#charsets
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# GitHub limits the summary of a step to 1 MiB; the end of an output names the failure.
_LINES, _CHARACTERS = 60, 20_000


def format_results(outcome: Outcome) -> Iterator[str]:
    """Yield a line for each check, and one with the totals, for people."""
    width = max(len(run.check.name) for run in outcome.runs)
    for run in outcome.runs:
        more = run.cached or (f"exit code {run.exit_code}" if run.state == "failed" else "")
        yield f"{run.check.name:<{width}}  {run.state:<7} {run.seconds:7.1f} s  {more}".rstrip()
    yield f"{_format_counts(outcome)}, {outcome.seconds:.1f} s"


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the results in plain types for scripts."""
    rows = []
    for run in outcome.runs:
        result = {"name": run.check.name, "result": run.state, "code": run.exit_code, "seconds": round(run.seconds, 3)}
        caches = {name: run.build_summary[name] for name in ("steps", "cached") if name in run.build_summary}
        rows.append({**result, **caches, **({"build": run.build_summary["result"]} if run.build_summary else {})})
    total = "failed" if outcome.first else "passed"
    return {"result": total, "code": outcome.code, "seconds": round(outcome.seconds, 3), "checks": rows}


def junit(outcome: Outcome) -> str:
    """Return a JUnit file with a test case for each check: the output of failed ones, the cache use of others."""
    counts = {
        "tests": str(len(outcome.runs)),
        "failures": str(_count(outcome, "failed")),
        "skipped": str(_count(outcome, "ended")),
        "time": f"{outcome.seconds:.3f}",
    }
    suites = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "ci.check", "errors": "0", **counts})
    for run in outcome.runs:
        _fill_case(ElementTree.SubElement(suite, "testcase", _attributes(run)), run)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def markdown(outcome: Outcome) -> str:
    """Return a Markdown table of all checks, and the end of the output of each failed run."""
    rows = [f"| {run.check.name} | {run.state} | {run.seconds:.1f} s | {run.cached} |" for run in outcome.runs]
    head = [f"### Checks: {_format_counts(outcome)}, {outcome.seconds:.1f} s", ""]
    table = ["| check | result | time | caches |", "|---|---|---:|---|", *rows, ""]
    return "\n".join([*head, *table, *(_details(run) for run in outcome.runs if run.state == "failed"), ""])


def _fill_case(case: ElementTree.Element, run: Run) -> None:
    match run.state:
        case "failed":
            failure = ElementTree.SubElement(case, "failure", {"message": f"exit code {run.exit_code}"})
            failure.text = _escape(plain_text(run.output))
        case "ended":
            ElementTree.SubElement(case, "skipped", {"message": "another check failed first"})
        case _ if run.cached:
            ElementTree.SubElement(case, "system-out").text = run.cached


def _attributes(run: Run) -> dict[str, str]:
    return {"classname": "ci.check", "name": _escape(run.check.name), "time": f"{run.seconds:.3f}"}


def _escape(text: str) -> str:
    """Replace characters that XML forbids by their code in `text`."""
    return _FORBIDDEN.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _details(run: Run) -> str:
    output = "\n".join(plain_text(run.output).splitlines()[-_LINES:])[-_CHARACTERS:]
    # The fence is longer than any in the output, which must not end the block.
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", output)), default=0))
    summary = f"<details><summary>{run.check.name}: exit code {run.exit_code}</summary>"
    return f"{summary}\n\n{fence}text\n{output}\n{fence}\n\n</details>\n"


def _format_counts(outcome: Outcome) -> str:
    failed, ended = _count(outcome, "failed"), _count(outcome, "ended")
    parts = [f"{failed} failed" if failed else "", f"{ended} ended" if ended else ""]
    return ", ".join(filter(None, [f"{_count(outcome, 'passed')} of {len(outcome.runs)} passed", *parts]))


def _count(outcome: Outcome, state: str) -> int:
    return sum(run.state == state for run in outcome.runs)

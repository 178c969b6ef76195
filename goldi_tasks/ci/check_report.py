"""What came of checks: lines and JSON, a JUnit file, and the Markdown that a CI shows on the run's own page."""

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from goldi_tasks.ci.parallel import Run, plain
from goldi_tasks.ci.run_checks import Outcome

# What XML 1.0 has no place for, also not as a reference: section 2.2, https://www.w3.org/TR/xml/#charsets
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# A step's summary may have 1 MiB on GitHub; the end of an output says why it ended.
_LINES, _CHARACTERS = 60, 20_000


def lines(found: Outcome) -> Iterator[str]:
    """A line for each check, and one for all, for people."""
    width = max(len(one.check.name) for one in found.runs)
    for one in found.runs:
        more = one.cached or (f"exit code {one.code}" if one.state == "failed" else "")
        yield f"{one.check.name:<{width}}  {one.state:<7} {one.seconds:7.1f} s  {more}".rstrip()
    yield f"{_counted(found)}, {found.seconds:.1f} s"


def as_json(found: Outcome) -> dict[str, Any]:
    """It in plain types, for scripts."""
    rows = []
    for one in found.runs:
        own = {"name": one.check.name, "result": one.state, "code": one.code, "seconds": round(one.seconds, 3)}
        caches = {name: one.built[name] for name in ("steps", "cached") if name in one.built}
        rows.append({**own, **caches, **({"build": one.built["result"]} if one.built else {})})
    result = "failed" if found.first else "passed"
    return {"result": result, "code": found.code, "seconds": round(found.seconds, 3), "checks": rows}


def junit(found: Outcome) -> str:
    """A JUnit file with a test case for each check; of one that failed it holds the output, of others their caches."""
    counts = {
        "tests": str(len(found.runs)),
        "failures": str(_number(found, "failed")),
        "skipped": str(_number(found, "ended")),
        "time": f"{found.seconds:.3f}",
    }
    suites = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "ci.check", "errors": "0", **counts})
    for one in found.runs:
        _case(ElementTree.SubElement(suite, "testcase", _named(one)), one)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def markdown(found: Outcome) -> str:
    """A table of all checks, and the end of what each that failed said."""
    rows = [f"| {one.check.name} | {one.state} | {one.seconds:.1f} s | {one.cached} |" for one in found.runs]
    head = [f"### Checks: {_counted(found)}, {found.seconds:.1f} s", ""]
    table = ["| check | result | time | caches |", "|---|---|---:|---|", *rows, ""]
    return "\n".join([*head, *table, *(_details(one) for one in found.runs if one.state == "failed"), ""])


def _case(case: ElementTree.Element, one: Run) -> None:
    match one.state:
        case "failed":
            failure = ElementTree.SubElement(case, "failure", {"message": f"exit code {one.code}"})
            failure.text = _allowed(plain(one.said))
        case "ended":
            ElementTree.SubElement(case, "skipped", {"message": "another check failed first"})
        case _ if one.cached:
            ElementTree.SubElement(case, "system-out").text = one.cached


def _named(one: Run) -> dict[str, str]:
    return {"classname": "ci.check", "name": _allowed(one.check.name), "time": f"{one.seconds:.3f}"}


def _allowed(text: str) -> str:
    """`text` with what XML forbids written out."""
    return _FORBIDDEN.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _details(one: Run) -> str:
    said = "\n".join(plain(one.said).splitlines()[-_LINES:])[-_CHARACTERS:]
    # Longer than any in the text: what a tool prints must not end it.
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", said)), default=0))
    summary = f"<details><summary>{one.check.name}: exit code {one.code}</summary>"
    return f"{summary}\n\n{fence}text\n{said}\n{fence}\n\n</details>\n"


def _counted(found: Outcome) -> str:
    failed, ended = _number(found, "failed"), _number(found, "ended")
    parts = [f"{failed} failed" if failed else "", f"{ended} ended" if ended else ""]
    return ", ".join(filter(None, [f"{_number(found, 'passed')} of {len(found.runs)} passed", *parts]))


def _number(found: Outcome, state: str) -> int:
    return sum(one.state == state for one in found.runs)

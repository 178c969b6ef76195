"""Write docs/messages.md: every message that ends a command, by exit code, as the source has it.

python -m tests.messages
"""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import goldi_tasks
from goldi_tasks import errors
from tests.conftest import REPO

PACKAGE = Path(goldi_tasks.__file__).parent
PAGE = REPO / "docs/messages.md"
KINDS = {
    name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.GoldiError)
}
HEAD = """# Messages

What a command prints before it ends with an exit code other than 0: `goldi: PROBLEM. REMEDY.` Words in braces differ
from case to case. A message names the command as it was typed: `goldi`, `./goldi` or `inv`. This page is made from the
source by `python -m tests.messages`, and a test compares them.
"""


@dataclass(frozen=True)
class Message:
    """A message as `file` has it: `problem` and `remedy` with `{placeholders}`, None where they are computed."""

    file: str
    line: int
    kind: str
    problem: str | None
    remedy: str | None


def template(node: ast.expr | None, names: dict[str, list[ast.expr]], depth: int = 3) -> list[str | None]:
    """Return the texts that an expression may have, None for one that is computed."""
    texts: list[str | None] = [None]
    match node:
        case None:
            texts = [""]
        case ast.Constant(value=str(text)):
            texts = [text]
        case ast.JoinedStr():
            texts = ["".join(_part(value) for value in node.values)]
        case ast.BinOp(op=ast.Add()):
            left, right = template(node.left, names), template(node.right, names)
            texts = [None if one is None or two is None else one + two for one in left for two in right]
        case ast.IfExp():
            texts = [*template(node.body, names), *template(node.orelse, names)]
        case ast.BoolOp():
            texts = [text for value in node.values for text in template(value, names)]
        case ast.Name(id=name) if name in names and depth:
            texts = [text for value in names[name] for text in template(value, names, depth - 1)]
    return texts


def _part(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.FormattedValue)
    shown = ast.unparse(node.value)
    words = re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^']*'", "", shown))
    return (
        "{" + (words[-1] if words and words[-1] not in ("str", "join", "name") else words[0] if words else "text") + "}"
    )


def messages() -> Iterator[Message]:
    """Yield every construction of one of our errors."""
    for file in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        constants = _assigned(tree.body)
        for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)] + [tree]:
            body = list(ast.walk(function)) if isinstance(function, ast.FunctionDef) else tree.body
            names = constants | _assigned([node for node in body if isinstance(node, ast.stmt)])
            for call in _calls(function):
                kind = call.func.id if isinstance(call.func, ast.Name) else ""
                problem, *rest = call.args
                remedy = rest[1 if kind == "CommandFailed" else 0] if len(rest) > (kind == "CommandFailed") else None
                for text in template(problem, names):
                    for what in template(remedy, names):
                        yield Message(str(file.relative_to(PACKAGE)), call.lineno, kind, text, what)


def _calls(function: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls in a function, but not those in functions inside of it."""
    todo = list(ast.iter_child_nodes(function))
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef):
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS and node.args:
            yield node
        todo += ast.iter_child_nodes(node)


def _assigned(statements: list[ast.stmt]) -> dict[str, list[ast.expr]]:
    """Return what names are set to, by simple assignments, also of several names at once."""
    values: dict[str, list[ast.expr]] = {}
    for node in statements:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
            pairs = [(target, value)]
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = list(zip(target.elts, value.elts, strict=False))
            for name, text in pairs:
                if isinstance(name, ast.Name):
                    values.setdefault(name.id, []).append(text)
    return values


def page() -> str:
    """Return the page: a table for each exit code."""
    rows: dict[tuple[int, str], set[tuple[str, str]]] = {}
    for one in messages():
        if one.problem:
            rows.setdefault((KINDS[one.kind].code, one.kind), set()).add((one.problem, one.remedy or ""))
    parts = [HEAD]
    for (code, kind), texts in sorted(rows.items()):
        title = f"{code}: {kind}" if kind != "CommandFailed" else "The program's own: CommandFailed"
        doc = inspect.getdoc(KINDS[kind]) or ""
        lines = [f"| {_cell(problem)} | {_cell(remedy)} |" for problem, remedy in sorted(texts)]
        parts.append(
            "\n".join([f"## {title}", "", doc.splitlines()[0], "", "| problem | remedy |", "|---|---|", *lines, ""])
        )
    return "\n".join(parts)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE}: {page().count(chr(10) + '| ')} lines")

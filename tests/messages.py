"""Write docs/messages.md: every message that ends a command, by exit code, as the source has it.

python -m tests.messages
"""

import ast
import inspect
from collections.abc import Iterator, Mapping, Sequence
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


Names = Mapping[str, list[ast.expr]]
NEAREST = "Did you mean '{name}'? (or, if nothing is near: Known: {names})"


def template(node: ast.expr | None, names: Names, depth: int = 3) -> list[str | None]:
    """Return the texts that an expression may have, None for one that is computed."""
    texts: list[str | None] = [None]
    match node:
        case None:
            texts = [""]
        case ast.Constant(value=str(text)):
            texts = [text]
        case ast.JoinedStr():
            texts = ["".join(map(_part, node.values))]
        case ast.BinOp(op=ast.Add()):
            left, right = template(node.left, names), template(node.right, names)
            texts = [None if one is None or two is None else one + two for one in left for two in right]
        case ast.IfExp():
            texts = [*template(node.body, names), *template(node.orelse, names)]
        case ast.BoolOp():
            texts = [text for value in node.values for text in template(value, names)]
        case ast.Call() if "did_you_mean" in ast.unparse(node.func):
            texts = [NEAREST]
        case ast.Name(id=name) if name in names and depth:
            texts = [text for value in names[name] for text in template(value, names, depth - 1)]
    return texts


def _part(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.FormattedValue)
    return "{" + _label(node.value) + "}"


def _label(node: ast.expr) -> str:  # noqa: PLR0911 - a table
    """Return a name for what an expression puts into a message."""
    match node:
        case ast.Name(id=name):
            return name.strip("_").lower()
        case ast.Attribute(attr=name):
            return name
        case ast.Call(func=ast.Attribute(value=ast.Constant()), args=[first, *_]):
            return _label(first)
        case ast.Call(func=ast.Attribute(value=value)):
            return _label(value)
        case ast.Call(args=[first, *_]) | ast.Starred(value=first):
            return _label(first)
        case (
            ast.Subscript(value=value) | ast.IfExp(body=value) | ast.BinOp(left=value) | ast.BoolOp(values=[value, *_])
        ):
            return _label(value)
        case ast.GeneratorExp(elt=value) | ast.ListComp(elt=value):
            return _label(value)
    return "text"


def messages() -> Iterator[Message]:
    """Yield every construction of one of our errors."""
    for file in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for kind, call, names in _constructions(tree.body, {}):
            problem, *rest = call.args
            # CommandFailed has an exit code before its remedy.
            rest = rest[1:] if kind == "CommandFailed" else rest
            for text in template(problem, names):
                for what in template(rest[0] if rest else None, names):
                    yield Message(str(file.relative_to(PACKAGE)), call.lineno, kind, text, what)


def _constructions(block: Sequence[ast.AST], names: Names) -> Iterator[tuple[str, ast.Call, Names]]:
    """Yield the constructions in a block, each with the values that names have there: the last ones before it.

    What a nested block sets counts after it, too, beside what was set before: one of them holds.
    """
    known: dict[str, list[ast.expr]] = {name: list(values) for name, values in names.items()}
    for statement in block:
        nested = [value for _, value in ast.iter_fields(statement) if isinstance(value, list) and value]
        blocks = [value for value in nested if isinstance(value[0], ast.stmt | ast.ExceptHandler | ast.match_case)]
        inside = {id(node) for value in blocks for child in value for node in ast.walk(child)}
        for node in ast.walk(statement):
            if id(node) in inside or not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in KINDS and node.args:
                yield node.func.id, node, known
        for value in blocks:
            yield from _constructions(value, known)
        for name, values in _assigned(statement).items():
            earlier = known.get(name, []) if blocks else []
            known[name] = [*earlier, *values]


def _assigned(statement: ast.AST) -> dict[str, list[ast.expr]]:
    """Return what a statement sets names to, by simple assignments, also of several names at once."""
    values: dict[str, list[ast.expr]] = {}
    for node in ast.walk(statement):
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            assert isinstance(node, ast.Assign)
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=False))
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

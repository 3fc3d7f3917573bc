"""Every way in which one rule of a module is broken, one at a time, as a changed syntax tree."""

from __future__ import annotations

import ast
import copy
import difflib
import marshal
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
}  # fmt: skip
BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
VERDICTS = {"PASS": "FAIL", "FAIL": "PASS", "UNKNOWN": "PASS", "NOT_APPLICABLE": "FAIL"}
SET_OPERATORS = (ast.Sub, ast.BitAnd, ast.BitOr, ast.BitXor)


@dataclass(frozen=True)
class Mutant:
    """One changed module: its code, marshalled. `diff` shows the statement that is changed, `kind` says how."""

    line: int
    function: str
    kind: str
    diff: str
    code: bytes
    twin: int = 0

    @property
    def name(self) -> str:
        """What an entry of the list of equivalent mutants names: stable while the statement is."""
        again = f" (number {self.twin + 1} of these)" if self.twin else ""
        return f"{self.function}: {self.kind}: {self.diff}{again}"


def mutants(source: str) -> Iterator[Mutant]:
    """All mutants of a module, in the order of its lines."""
    tree = ast.parse(source)
    found = []
    for path, node in _nodes(tree, ()):
        for kind, changed in _changes(node, _parents(tree, path)):
            if (mutant := _mutant(tree, path, kind, changed)) is not None:
                found.append(mutant)
    seen = Counter[tuple[str, str, str]]()
    for mutant in sorted(found, key=lambda each: each.line):
        same = (mutant.function, mutant.kind, mutant.diff)
        yield replace(mutant, twin=seen[same])
        seen[same] += 1


Path = tuple[tuple[str, int | None], ...]


def _nodes(node: ast.AST, path: Path) -> Iterator[tuple[Path, ast.AST]]:
    """Every node with the way to it. What only names types or says something to people is left out."""
    yield path, node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        if isinstance(value, ast.AST):
            yield from _nodes(value, (*path, (field, None)))
        elif isinstance(value, list):
            for number, each in enumerate(value):
                if isinstance(each, ast.AST):
                    yield from _nodes(each, (*path, (field, number)))


def _parents(tree: ast.AST, path: Path) -> list[ast.AST]:
    found = [tree]
    for field, number in path[:-1]:
        value = getattr(found[-1], field)
        found.append(value if number is None else value[number])
    return found


def _changes(node: ast.AST, parents: list[ast.AST]) -> Iterator[tuple[str, ast.AST | None]]:
    """(kind, node that takes the place of this one); None = it is left out of the list it stands in."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in OPPOSITE:
            yield "comparison negated", _compare(node, OPPOSITE[type(op)])
            if type(op) in BOUNDARY:
                yield "boundary moved", _compare(node, BOUNDARY[type(op)])
        case ast.BoolOp(values=values):
            for number in range(len(values)):
                rest = [each for at, each in enumerate(values) if at != number]
                yield "operand dropped", rest[0] if len(rest) == 1 else ast.BoolOp(op=node.op, values=rest)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "negation removed", operand
        case ast.BinOp(op=op, left=left) if isinstance(op, SET_OPERATORS):
            yield "operand dropped", left
        case ast.If() | ast.IfExp():
            for value in (True, False):
                changed = copy.copy(node)
                changed.test = ast.Constant(value)
                yield f"condition always {value}", changed
        case ast.comprehension(ifs=[_, *_]):
            for number in range(len(node.ifs)):
                changed = copy.copy(node)
                changed.ifs = [each for at, each in enumerate(node.ifs) if at != number]
                yield "filter removed", changed
        case ast.Raise():
            yield "raise removed", ast.Pass()
        case ast.Return() if not isinstance(parents[-1], ast.FunctionDef):
            yield "return removed", ast.Pass()
        case ast.Expr(value=ast.Yield() | ast.YieldFrom()):
            yield "yield removed", ast.Pass()
        case ast.Starred() if isinstance(parents[-1], ast.Tuple | ast.List):
            yield "part removed", None
        case ast.Call(func=ast.Name(id="Gate")) if isinstance(parents[-1], ast.Tuple):
            yield "gate removed", None
        case ast.Call(func=ast.Name(id="any" | "all" as name)):
            yield (
                f"{name} turned round",
                ast.Call(func=ast.Name("all" if name == "any" else "any", ast.Load()), args=node.args, keywords=[]),
            )
        case ast.Constant(value=str(word)) if word in VERDICTS and isinstance(parents[-1], ast.Call | ast.AnnAssign):
            yield "verdict turned", ast.Constant(VERDICTS[word])
        case ast.Constant(value=bool(value)) if isinstance(parents[-1], ast.Call | ast.Return | ast.keyword):
            if getattr(parents[-1], "arg", "") == "frozen":  # for the reader of the class, not a rule
                return
            yield "constant turned", ast.Constant(not value)


def _compare(node: ast.Compare, op: type[ast.cmpop]) -> ast.Compare:
    return ast.Compare(left=node.left, ops=[op()], comparators=node.comparators)


def _mutant(tree: ast.Module, path: Path, kind: str, changed: ast.AST | None) -> Mutant | None:
    """The module with one node exchanged for as long as that is compiled; None when that changes nothing to be seen."""
    parents = _parents(tree, path)
    field, number = path[-1]
    old = getattr(parents[-1], field)
    at = old if number is None else old[number]
    statement = next(each for each in reversed([*parents, at]) if isinstance(each, ast.stmt))
    line = next(each.lineno for each in reversed([*parents, at]) if hasattr(each, "lineno"))
    function = ".".join(p.name for p in parents if isinstance(p, ast.FunctionDef | ast.ClassDef)) or "module"
    new = ast.fix_missing_locations(ast.copy_location(copy.copy(changed), at)) if changed is not None else None
    before = _head(statement)
    rest = [] if number is None else [*old[:number], *([] if new is None else [new]), *old[number + 1 :]]
    setattr(parents[-1], field, new if number is None else rest)
    try:
        after = _head(new if at is statement and isinstance(new, ast.stmt) else statement)
        code = marshal.dumps(compile(tree, "mutant", "exec", dont_inherit=True)) if before != after else b""
    finally:
        setattr(parents[-1], field, old)
    return Mutant(line, function, kind, _diff(before, after), code) if code else None


def _head(statement: ast.stmt) -> str:
    """A statement without the statements in it."""
    short = copy.copy(statement)
    for field in ("body", "orelse", "finalbody"):
        if isinstance(getattr(short, field, None), list) and field in short._fields:
            setattr(short, field, [ast.Expr(ast.Constant(...))] if field == "body" else [])
    return ast.unparse(short)


def _diff(before: str, after: str) -> str:
    """What differs, by words, with a little around it: statements may be long lines."""
    old, new = (re.findall(r"\w+|\s+|.", text, re.DOTALL) for text in (before, after))
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    changes = [each for each in matcher.get_opcodes() if each[0] != "equal"]
    start, end = changes[0][1], changes[-1][2]
    removed, added = "".join(old[start:end]), "".join(new[start : len(new) - (len(old) - end)])
    left, right = "".join(old[:start])[-60:], "".join(old[end:])[:60]
    return " ".join(f"{left}[{removed} → {added}]{right}".split())

"""GitHub's `${{ }}` expressions, as far as names, concurrency groups, environments and job conditions use them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

Functions = Mapping[str, Callable[[], bool]]
Node = tuple[Any, ...]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>0x[0-9a-fA-F]+|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|'(?P<string>(?:[^']|'')*)'"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|(?P<op>&&|\|\||[=!<>]=|\}\}|[!<>()\[\].,*]))"
)
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="))
MAX_DEPTH = 50
MAX_TOKENS = 600
_LITERALS = {"true": True, "false": False, "null": None}
STATUS_FUNCTIONS = ("success", "always", "failure", "cancelled")


class ExpressionError(ValueError):
    """The text is no expression, or uses a part of the language that the forge does not have."""


class _Parser:
    """Recursive descent over one expression, from a position up to `}}` or the end of the text."""

    def __init__(self, text: str, position: int = 0) -> None:
        self.text = text
        self.position = position
        self.kind = self.value = ""
        self.depth = self.steps = 0
        self.advance()

    def advance(self) -> str:
        """Step to the next token; the value of the one left behind is returned."""
        last = self.value
        self.steps += 1
        if self.steps > MAX_TOKENS:
            raise ExpressionError(f"Exceeded max expression length {MAX_TOKENS}")
        match = _TOKEN.match(self.text, self.position)
        if match:
            self.kind, self.value, self.position = match.lastgroup or "", match.group(match.lastgroup or 0), match.end()
        elif self.text[self.position :].strip():
            raise ExpressionError(f"Unexpected symbol at position {self.position} of: {self.text}")
        else:
            self.kind, self.value = "end", ""
        return last

    def at(self, *values: str) -> bool:
        return self.kind == "op" and self.value in values

    def expect(self, value: str) -> None:
        if not self.at(value):
            raise ExpressionError(f"Expected {value!r} before position {self.position} of: {self.text}")
        self.advance()

    def binary(self, level: int = 0) -> Node:
        """Operators of one precedence level, left to right."""
        if level == len(_LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while self.at(*_LEVELS[level]):
            left = ("binary", self.advance(), left, self.binary(level + 1))
        return left

    def unary(self) -> Node:
        """Every nesting passes here. GitHub allows 50 levels, and our own recursion has a limit too."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(f"Exceeded max expression depth {MAX_DEPTH}")
        if self.at("!"):
            self.advance()
            node: Node = ("not", self.unary())
        else:
            node = self.path()
        self.depth -= 1
        return node

    def path(self) -> Node:
        """A primary followed by `.name` and `[index]`."""
        node = self.primary()
        while self.at(".", "["):
            if self.advance() == ".":
                if self.kind != "name":
                    raise ExpressionError(f"Expected a name before position {self.position} of: {self.text}")
                node = ("get", node, ("literal", self.advance()))
            else:
                node = ("get", node, self.binary())
                self.expect("]")
        return node

    def primary(self) -> Node:
        if self.at("("):
            self.advance()
            node = self.binary()
            self.expect(")")
            return node
        kind, value = self.kind, self.advance()
        if kind == "number":
            if len(value) > 400:
                raise ExpressionError("A number is too long")
            return ("literal", int(value, 16) if value.startswith("0x") else _number(value))
        if kind == "string":
            return ("literal", value.replace("''", "'"))
        if kind != "name":
            raise ExpressionError(f"Unexpected {value or 'end'!r} in: {self.text}")
        if self.at("("):
            return ("call", value.lower(), self.arguments())
        return ("literal", _LITERALS[value]) if value in _LITERALS else ("name", value)

    def arguments(self) -> tuple[Node, ...]:
        self.advance()
        found: list[Node] = []
        while not self.at(")"):
            found.append(self.binary())
            if not self.at(")"):
                self.expect(",")
        self.advance()
        return tuple(found)


def _number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


def parse(text: str) -> Node:
    """The tree of one bare expression (no `${{ }}`). Raises ExpressionError."""
    parser = _Parser(text)
    node = parser.binary()
    if parser.kind != "end":
        raise ExpressionError(f"Unexpected {parser.value!r} in: {text}")
    return node


def evaluate(text: str, context: Mapping[str, Any], functions: Functions | None = None) -> Any:
    """The value of one bare expression; `functions` gives success(), failure() … where they exist.

    Raises ExpressionError.
    """
    return _value(parse(text), context, functions or {})


def interpolate(text: str, context: Mapping[str, Any]) -> Any:
    """`text` with every `${{ }}` replaced; a text that is one expression only keeps the value's type.

    Raises ExpressionError.
    """
    parts: list[Any] = []
    position = 0
    while (start := text.find("${{", position)) >= 0:
        parser = _Parser(text, start + 3)
        node = parser.binary()
        if not parser.at("}}"):
            raise ExpressionError(f"The expression is not closed: {text}")
        parts += [text[position:start], _value(node, context, {})] if start > position else [_value(node, context, {})]
        position = parser.position
    if position < len(text) or not parts:
        parts.append(text[position:])
    return parts[0] if len(parts) == 1 else "".join(as_text(part) for part in parts)


def condition(text: str, context: Mapping[str, Any], functions: Functions) -> bool:
    """Whether an `if:` holds; without a status function in it, success() is implied. Raises ExpressionError."""
    bare = text.strip()
    if bare.startswith("${{") and bare.endswith("}}") and bare.count("${{") == 1:
        bare = bare[3:-2]
    tree = parse(bare) if bare else ("literal", True)
    if not _uses_status(tree) and not functions["success"]():
        return False
    return _truth(_value(tree, context, functions))


def as_text(value: Any) -> str:
    """A value as GitHub writes it into a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return "Object" if isinstance(value, dict) else "Array"
    return str(value)


def _uses_status(node: Any) -> bool:
    if not isinstance(node, tuple):
        return False
    if node[:1] == ("call",) and node[1] in STATUS_FUNCTIONS:
        return True
    return any(_uses_status(part) for part in node)


def _value(node: Node, context: Mapping[str, Any], functions: Functions) -> Any:
    kind = node[0]
    if kind == "literal":
        return node[1]
    if kind == "name":
        return _member(context, node[1])
    if kind == "get":
        return _member(_value(node[1], context, functions), _value(node[2], context, functions))
    if kind == "not":
        return not _truth(_value(node[1], context, functions))
    if kind == "call":
        return _call(node[1], [_value(part, context, functions) for part in node[2]], functions)
    operator, left = node[1], _value(node[2], context, functions)
    if operator in ("&&", "||"):
        return _value(node[3], context, functions) if _truth(left) == (operator == "&&") else left
    return _compare(operator, left, _value(node[3], context, functions))


def _member(container: Any, key: Any) -> Any:
    """A property (names compare without case) or an element; null where there is none."""
    if isinstance(container, Mapping):
        wanted = as_text(key).casefold()
        return next((value for name, value in container.items() if str(name).casefold() == wanted), None)
    if isinstance(container, list) and isinstance(key, int) and 0 <= key < len(container):
        return container[key]
    return None


def _truth(value: Any) -> bool:
    return not (value is None or value is False or value == "" or (isinstance(value, int | float) and value == 0))


def _as_number(value: Any) -> float:
    if value is None or value == "":
        return 0
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def _compare(operator: str, left: Any, right: Any) -> bool:
    """GitHub's loose comparison: texts without case, different types as numbers, objects by identity."""
    if isinstance(left, str) and isinstance(right, str):
        left, right = left.casefold(), right.casefold()
    elif isinstance(left, dict | list) or isinstance(right, dict | list):
        return (left is right) if operator == "==" else (left is not right) if operator == "!=" else False
    else:
        left, right = _as_number(left), _as_number(right)
    if operator in ("==", "!="):
        return bool((left == right) == (operator == "=="))
    return bool({"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator])


def _format(template: str, *values: str) -> str:
    def fill(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        index = int(match[1]) if len(match[1]) < 4 else len(values)
        if index >= len(values):
            raise ExpressionError(f"format() has no argument for {match[0]}")
        return values[index]

    return re.sub(r"\{\{|\}\}|\{(\d+)\}", fill, template)


def _contains(hay: Any, needle: Any) -> bool:
    if isinstance(hay, list):
        return any(_compare("==", item, needle) for item in hay)
    return as_text(needle).casefold() in as_text(hay).casefold()


def _from_json(text: Any) -> Any:
    try:
        return json.loads(as_text(text))
    except (ValueError, RecursionError) as error:
        raise ExpressionError(f"fromJSON: {error}") from error


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "contains": _contains,
    "startswith": lambda text, start: as_text(text).casefold().startswith(as_text(start).casefold()),
    "endswith": lambda text, end: as_text(text).casefold().endswith(as_text(end).casefold()),
    "format": lambda template, *values: _format(as_text(template), *(as_text(value) for value in values)),
    "join": lambda items, separator=",": as_text(separator).join(
        as_text(item) for item in (items if isinstance(items, list) else [items])
    ),
    "tojson": lambda value: json.dumps(value, indent=2),
    "fromjson": _from_json,
}


def _call(name: str, arguments: list[Any], functions: Functions) -> Any:
    if name in functions:
        return functions[name]()
    if name not in _FUNCTIONS:
        raise ExpressionError(f"Unrecognized function: {name}")
    try:
        return _FUNCTIONS[name](*arguments)
    except TypeError as error:
        raise ExpressionError(f"{name}: wrong number of arguments") from error

"""Strict reading of JSON text, token by token, by RFC 8259.

It neither recurses nor builds values, so nesting of any depth and numbers of any length are safe. Pinned by
`tests/wire/test_splice.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, NoReturn, cast

__all__ = ["JSON_SPACE", "Token", "TokenKind", "is_json", "require_json", "tokens"]

JSON_SPACE: Final = b" \t\r\n"
"""What may stand between tokens."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def require_json(data: bytes) -> None:
    """Refuse what is no JSON. The standard parser is quickest; what it refuses, if only for size, is read again token by token.

    Raises:
        ValueError: The data is no JSON; the message says why.
    """
    text = data.decode("utf-8")
    try:
        _DECODER.decode(text)
    except (RecursionError, ValueError):
        for _ in tokens(text):
            pass


def is_json(data: bytes) -> bool:
    """Tell whether data is one JSON text."""
    try:
        require_json(data)
    except ValueError:
        return False
    return True


TokenKind = Literal["key", "string", "number", "literal", "{", "}", "[", "]", ",", ":"]


class Token(NamedTuple):
    """One token of a JSON text and where it stands. A `key` is a string that names a member."""

    kind: TokenKind
    start: int
    end: int


_TOKEN: Final = re.compile(
    r"[ \t\n\r]*+(?:"
    r'(?P<string>"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+")'
    r"|(?P<mark>[\[\]{},:])"
    r"|(?P<number>-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?+[0-9]++)?+)"
    r"|(?P<literal>true|false|null))"
)
_REST: Final = re.compile(r"[ \t\n\r]*+\Z")

# What may come in each state: a value, the first element or key after a bracket, a key, a colon, what follows a value, the end.
_State = Literal["value", "element", "member", "key", "colon", "next", "end"]
_TAKES_VALUE: Final = frozenset({"value", "element"})
_TAKES_KEY: Final = frozenset({"member", "key"})
_TAKES_CLOSE: Final = {"]": frozenset({"element", "next"}), "}": frozenset({"member", "next"})}


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a JSON text, strictly by RFC 8259, for nesting of any depth.

    Raises:
        ValueError: At the first place where the text is no JSON.
    """
    state: _State = "value"
    stack: list[str] = []
    position = 0
    while state != "end":
        found = _TOKEN.match(text, position)
        if found is None:
            raise _refusal(text, position)
        group = found.lastgroup
        start, position = found.span(group or 0)
        kind = cast("TokenKind", found["mark"] if group == "mark" else group)
        if kind == "string" and state in _TAKES_KEY:
            kind, state = "key", "colon"
        elif kind in ("{", "[") and state in _TAKES_VALUE:
            stack.append("}" if kind == "{" else "]")
            state = "member" if kind == "{" else "element"
        elif kind in ("}", "]") and stack and stack[-1] == kind and state in _TAKES_CLOSE[kind]:
            stack.pop()
            state = "next" if stack else "end"
        elif kind == "," and state == "next":
            state = "key" if stack[-1] == "}" else "value"
        elif kind == ":" and state == "colon":
            state = "value"
        elif kind in ("string", "number", "literal") and state in _TAKES_VALUE:
            state = "next" if stack else "end"
        else:
            raise _refusal(text, start)
        yield Token(kind, start, position)
    if not _REST.match(text, position):
        raise _refusal(text, position)


def _refusal(text: str, position: int) -> ValueError:
    while position < len(text) and text[position] in " \t\n\r":
        position += 1
    near = text[position : position + 20]
    return ValueError(f"unexpected {near!r} at character {position}" if near else "unexpected end")

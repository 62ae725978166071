"""JSON laid out for people, with the spelling of its numbers and the order of its keys kept.

Pinned by `tests/wire/test_splice.py`.
"""

from __future__ import annotations

import json
from typing import Final

from pytest_mcpsym.wire.tokens import TokenKind, tokens

__all__ = ["pretty"]

_DEEPEST: Final = 40
"""Containers below this depth stay on one line: indentation would grow with the square of the depth."""

_Parts = list[tuple[TokenKind, str]]
"""The tokens of a text, spelled as they will be written."""


def pretty(data: bytes, indent: str = "  ", width: int = 100) -> str:
    r"""Return JSON text on several lines, as a person would write it.

    Spelling of numbers, order of keys and duplicate keys stay; objects and arrays that fit the width stay on one line. Escapes of
    printable characters are decoded, all other characters are escaped. The result parses back to the same value. Data that is no
    JSON becomes one line of text: `not JSON: 'garbage\x00'`, or `not JSON: b'\xff'` where it is not even UTF-8.

    Args:
        data: JSON in UTF-8.
        indent: What one level is indented by.
        width: Characters per line that short containers may use.
    """
    try:
        text = data.decode("utf-8")
        parts: _Parts = [(token.kind, _readable(text[token.start : token.end])) for token in tokens(text)]
    except UnicodeDecodeError:
        return f"not JSON: {data!r}"
    except ValueError:
        return f"not JSON: {data.decode('utf-8')!r}"
    return _layout(parts, indent, width)


def _layout(parts: _Parts, indent: str, width: int) -> str:
    closes = _closings(parts)
    lines: list[str] = []
    line, depth, index = "", 0, 0
    while index < len(parts):
        kind, text = parts[index]
        close = closes.get(index)
        if close is not None:
            end, size = close
            room = width - len(line) - 1
            if size <= room or depth >= _DEEPEST or end == index + 1:
                line += _one_line(parts, index, end)
                index = end
            else:
                lines.append(line + text)
                depth += 1
                line = indent * depth
        elif kind in ("}", "]"):
            lines.append(line)
            depth -= 1
            line = indent * depth + text
        elif kind == ",":
            lines.append(line + ",")
            line = indent * depth
        else:
            line += text + (" " if kind == ":" else "")
        index += 1
    return "\n".join([*lines, line])


def _closings(parts: _Parts) -> dict[int, tuple[int, int]]:
    """Map each opening bracket to its closing one, and to the characters that all between them takes on one line."""
    found: dict[int, tuple[int, int]] = {}
    stack: list[tuple[int, int]] = []
    size = 0
    for index, (kind, text) in enumerate(parts):
        if kind in ("{", "["):
            stack.append((index, size))
        size += len(text) + (kind in (",", ":"))
        if kind in ("}", "]"):
            start, before = stack.pop()
            found[start] = (index, size - before)
    return found


def _one_line(parts: _Parts, start: int, end: int) -> str:
    return "".join(text + " " if kind in (",", ":") else text for kind, text in parts[start : end + 1])


_SHORT_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _readable(token: str) -> str:
    """Spell a string token with as few escapes as can be read without doubt; other tokens stay."""
    if not token.startswith('"') or ("\\" not in token and token.isprintable()):
        return token
    return '"' + "".join(_character(c) for c in str(json.loads(token))) + '"'


def _character(character: str) -> str:
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    return character if character.isprintable() else json.dumps(character)[1:-1]

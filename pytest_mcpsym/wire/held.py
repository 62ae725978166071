"""The last look at a file before it is kept: does it still hold a secret?

`refuse_secrets` looks for given values by itself, so that it also catches what `pytest_mcpsym.wire.redact` overlooked. It knows the
spellings in which a value hides: JSON escapes, JSON that stands as text in JSON, percent-encoding, hex, base64 at any offset, and texts
that follow one another in a list, such as content blocks. It says where the value is and whose it is, never what it is. Pinned by `tests/wire/test_held.py`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, unquote_plus

from pytest_mcpsym.wire.recording import RecordingError
from pytest_mcpsym.wire.sensitive import MIN_LENGTH, PLACEHOLDER, PROTOCOL_WORDS
from pytest_mcpsym.wire.tokens import tokens

__all__ = ["refuse_secrets"]

_REMEDY = "nothing was kept; name the field in mcp_redact_fields or the header in mcp_redact_headers, or do not send the value"


def refuse_secrets(data: bytes, secrets: Iterable[tuple[str, str]], name: str = "recording") -> None:
    """Refuse a recording that holds one of these values.

    Args:
        data: The file, as `pytest_mcpsym.wire.recording.write` made it.
        secrets: Values, each after the name under which the error may speak of it, such as an environment variable's. Values of fewer than
            four characters, and words of the protocol such as `true`, are not looked for: they are everywhere.
        name: What errors call the file.

    Raises:
        RecordingError: A value is there; the error names line and JSON path.
    """
    wanted = [
        (label, _spellings(value)) for label, value in secrets if len(value) >= MIN_LENGTH and value not in PROTOCOL_WORDS
    ]
    if not wanted:
        return
    for number, line in enumerate(data.split(b"\n"), 1):
        text = line.decode("utf-8", "surrogateescape")
        # Where nothing is escaped, a string that is not in the line is in none of its strings.
        if not any(mark in text for mark in _ESCAPES) and len(_BLOCK.findall(text)) < 2 and _label_of(text, wanted) is None:
            continue
        parts = list(_texts("", text))
        for path, part in (*parts, *_joined(parts)):
            label = _label_of(part, wanted)
            if label is not None:
                place = f"{path or 'the line'} still holds the value of {label}"
                raise RecordingError(name, number, "secret", place, _REMEDY)


_ESCAPES = ("\\", "%", "+", '"raw"')
_BLOCK = re.compile(r'"text"\s*:')
_INDEX = re.compile(r"(.*)\[\d+\]\.text")


def _joined(parts: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield the texts of each list of content blocks as one, with the path of the list."""
    lists: dict[str, list[str]] = {}
    for path, part in parts:
        found = _INDEX.fullmatch(path)
        if found is not None:
            lists.setdefault(found[1], []).append(part)
    for path, texts in lists.items():
        if len(texts) > 1:
            yield path, "".join(texts)


def _label_of(text: str, wanted: list[tuple[str, set[str]]]) -> str | None:
    """Return whose value a text holds, outside of placeholders."""
    bare = PLACEHOLDER.sub("\0", text) if "<" in text else text
    for form in {bare, unquote(bare), unquote_plus(bare)}:
        for label, spellings in wanted:
            if any(spelling in form for spelling in spellings):
                return label
    return None


def _spellings(value: str) -> set[str]:
    """Return the value, and what is sure of it in base64, at whichever of three offsets it begins."""
    raw = value.encode("utf-8", "surrogateescape")
    found = {value, raw.hex(), raw.hex().upper()}
    for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
        found.add(encode(raw).decode().rstrip("="))
        if len(raw) >= 12:
            for offset in (0, 1, 2):
                text = encode(bytes(offset) + raw).decode()
                found.add(text[(offset * 8 + 5) // 6 : (offset + len(raw)) * 8 // 6])
    return {spelling for spelling in found if len(spelling) >= MIN_LENGTH}


def _texts(path: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield every text that a JSON document holds, decoded, with its path; what is no JSON is one text."""
    try:
        found = list(tokens(text))
    except ValueError:
        yield path, text
        return
    # A level is the prefix of its members' paths and, in an array, the index of the next element.
    levels: list[tuple[str, int]] = []
    here = path
    for kind, start, end in found:
        if levels and levels[-1][1] >= 0 and kind in ("string", "number", "literal", "{", "["):
            prefix, index = levels[-1]
            here, levels[-1] = f"{prefix}[{index}]", (prefix, index + 1)
        if kind in ("{", "["):
            levels.append((here, 0 if kind == "[" else -1))
        elif kind in ("}", "]"):
            levels.pop()
        elif kind == "key":
            key = str(json.loads(text[start:end]))
            yield f"a key in {levels[-1][0] or 'the line'}", key
            here = f"{levels[-1][0]}.{key}".removeprefix(".")
        elif kind == "number":
            yield here, text[start:end]
        elif kind == "string":
            yield from _inside(here, str(json.loads(text[start:end])))


def _inside(path: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield a string, and what is in it where it is JSON itself or, under `raw`, base64."""
    yield path, text
    if path == "raw":
        try:
            yield path, base64.b64decode(text, validate=True).decode("utf-8", "surrogateescape")
        except (binascii.Error, ValueError):
            return
    elif text.lstrip(" \t\r\n")[:1] in ("{", "[", '"'):
        # Each level of quoting costs a backslash before every quote, so the recursion is as shallow as a logarithm.
        yield from _texts(path, text)

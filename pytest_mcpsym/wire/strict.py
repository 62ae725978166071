"""What a server owes to bytes that are no JSON-RPC message: the one error that the specifications ask for, or nothing.

`refusal` is a pure function of the bytes, so that a server answers the same on every transport. Its rules, in order:

1. Bytes that are no JSON text in UTF-8 (RFC 8259: also a byte order mark, `NaN`, `Infinity`) get -32700 and the id `null`. So does
   JSON that cannot be kept exactly: a lone surrogate, which UTF-8 cannot spell; a number beyond the range of a double, or an integer of
   more digits than the interpreter takes (4,300); nesting deeper than `DEEPEST`. RFC 8259, sections 6, 8.2 and 9, allows to refuse these, and to guess would be worse.
2. JSON that is no JSON-RPC 2.0 message gets -32600, with its id where that is a string or an integer, else `null`
   (https://www.jsonrpc.org/specification#response_object). Arrays too: only revision 2025-03-26 has batches.
3. A request with positional parameters, which JSON-RPC has and MCP has not, gets -32602.
4. A broken answer, and a notification with positional parameters, are owed nothing: there is no request to answer.

Names that are used twice in an object are no reason to refuse: the last one counts, as with all common parsers. Pinned by
`tests/wire/test_strict.py`, on each transport by `tests/transport/test_exactness.py`.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NoReturn, cast

from pytest_mcpsym.wire.frame import Message, classify

__all__ = ["DEEPEST", "INVALID_PARAMS", "INVALID_REQUEST", "PARSE_ERROR", "Refusal", "refusal"]

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
INVALID_PARAMS: Final = -32602

DEEPEST: Final = 200
"""Objects and arrays inside each other that a message may have, as many as the SDK's parsers take."""

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")

_TOO_DEEP: Final = ValueError(f"nested deeper than {DEEPEST} levels")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why some bytes are no message that a server can take, and what it owes for them.

    Attributes:
        code: Code of the JSON-RPC error.
        message: What is wrong, in one sentence that quotes nothing.
        id: Id of the error, `None` for `null`.
        owed: Whether an error is to be sent where nothing else need be: HTTP always has a response.
    """

    code: int
    message: str
    id: str | int | None = None
    owed: bool = True

    @property
    def data(self) -> bytes:
        """The error as it crosses the wire."""
        error = {"code": self.code, "message": self.message}
        return json.dumps({"jsonrpc": "2.0", "id": self.id, "error": error}, separators=(",", ":")).encode()


def refusal(data: bytes) -> Refusal | None:
    """Return why a server cannot take these bytes, that crossed the wire, without framing; `None` if they are a message."""
    try:
        message = classify(_decoded(data))
    except ValueError as error:
        return Refusal(PARSE_ERROR, f"Parse error: {error}")
    if message.kind in ("result", "error"):
        said = "an answer with a `result` that is no object, or an `id` of another type"
        return None if _is_answer(message) else _no_answer(said)
    if message.kind == "invalid":
        return _invalid(message)
    members = cast("dict[str, object]", message.value)
    if isinstance(members.get("params", {}), list):
        said = "Invalid params: MCP has parameters by name, so `params` is an object"
        return Refusal(INVALID_PARAMS, said, _usable_id(members), owed=message.kind == "request")
    return None


def _invalid(message: Message) -> Refusal:
    """Refuse JSON that is not one message."""
    value = message.value
    members = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    if "method" not in members and ("result" in members or "error" in members):
        return _no_answer(str(message.reason))
    return Refusal(INVALID_REQUEST, f"Invalid Request: {message.reason}", _usable_id(members))


def _no_answer(reason: str) -> Refusal:
    return Refusal(INVALID_REQUEST, f"Invalid Request: {reason}", owed=False)


def _is_answer(message: Message) -> bool:
    members = cast("dict[str, object]", message.value)
    has_id = _usable_id(members) is not None or (message.kind == "error" and members.get("id") is None)
    return has_id and isinstance(members.get("result", {}), dict)


def _usable_id(members: dict[str, object]) -> str | int | None:
    ident = members.get("id")
    return ident if isinstance(ident, (str, int)) and not isinstance(ident, bool) else None


def _decoded(data: bytes) -> object:
    """Return what the bytes say.

    Raises:
        ValueError: They are no JSON, or JSON that cannot be kept exactly.
    """
    if data.startswith(codecs.BOM_UTF8):
        raise ValueError("a byte order mark is no JSON")
    try:
        value = cast("object", _DECODER.decode(data.decode()))
    except RecursionError:
        raise _TOO_DEEP from None
    if data.count(b"[") + data.count(b"{") > DEEPEST and _is_deeper(value, DEEPEST):
        raise _TOO_DEEP
    if _SURROGATE.search(data) is not None:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("a lone surrogate, which UTF-8 cannot spell") from None
    return value


def _is_deeper(value: object, most: int) -> bool:
    """Whether there are more levels than these, without recursion."""
    level: list[object] = [value]
    for _ in range(most):
        level = [inner for outer in level for inner in _inside(outer)]
    return any(isinstance(inner, (dict, list)) for inner in level)


def _inside(value: object) -> Iterable[object]:
    """Return what is in an object or array."""
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number beyond the range of a double")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER: Final = json.JSONDecoder(parse_float=_float, parse_constant=_constant)

"""Bytes that try a server's JSON: numbers, text, nesting, ids and what is no message at all, each with what a server owes for it.

`corpus` returns the cases as data, for our own links and fakes and for anyone's server. Each case stands alone: whatever a server
answers to it, the connection must live on. The rules behind the outcomes are those of `pytest_mcpsym.wire.strict`. Pinned by
`tests/wire/test_strict.py` and `tests/transport/test_exactness.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from pytest_mcpsym.wire.strict import DEEPEST, INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR

__all__ = ["Case", "corpus"]

Outcome = Literal["answered", "refused", "nothing"]
"""`answered` with a result, `refused` with an error, or `nothing`, which over HTTP is a status of 400 or 202."""

_MODERN: Final = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "corpus", "version": "1"},
}


@dataclass(frozen=True, slots=True)
class Case:
    """Some bytes and what a server owes for them.

    Attributes:
        name: What is odd about them, in a few words; unique in the corpus.
        data: What a client sends, without framing.
        outcome: What comes back.
        id: Id of the answer as JSON text.
        code: Code of the error where it is refused, and of the body of HTTP's 400 where nothing is owed.
    """

    name: str
    data: bytes
    outcome: Outcome
    id: str = "null"
    code: int | None = None

    def __str__(self) -> str:
        return self.name


def corpus(*, modern: bool = False, method: str = "tools/list") -> tuple[Case, ...]:
    """Return the cases.

    Args:
        modern: Requests carry the envelope of revision 2026-07-28.
        method: What the requests ask for; any method will do that takes no parameters and changes nothing.

    Example:
        >>> next(str(case) for case in corpus() if case.code == -32700)
        'no bytes but spaces'
    """
    meta = json.dumps(_MODERN)[1:-1] + ", " if modern else ""
    return (*_texts(), *_values(meta, method), *_ids(meta, method), *_shapes(meta, method))


def _texts() -> Iterator[Case]:
    """Yield what is no JSON, and so has no id."""
    message = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    for name, data in (
        ("no bytes but spaces", b"   "),
        ("a word", b"hello"),
        ("half a message", message[:-4]),
        ("a message and more", message + b"}"),
        ("two messages on one line", message + message),
        ("a trailing comma", b'{"jsonrpc":"2.0","id":1,"method":"ping",}'),
        ("single quotes", b"{'jsonrpc':'2.0','id':1,'method':'ping'}"),
        ("a comment", b"/* ping */" + message),
        ("a byte order mark", b"\xef\xbb\xbf" + message),
        ("UTF-16", message.decode().encode("utf-16-le")),
        ("a byte that is no UTF-8", b'{"jsonrpc":"2.0","id":1,"method":"ping\xff"}'),
        ("a surrogate as bytes", b'{"jsonrpc":"2.0","id":1,"method":"ping\xed\xa0\x80"}'),
        ("an overlong slash", b'{"jsonrpc":"2.0","id":1,"method":"ping\xc0\xaf"}'),
        ("a raw control character", b'{"jsonrpc":"2.0","id":1,"method":"pi\x00ng"}'),
        ("an unknown escape", b'{"jsonrpc":"2.0","id":1,"method":"ping\\x41"}'),
        ("300 open brackets", b"[" * 300),
        ("100,000 open brackets", b"[" * 100_000),
    ):
        yield Case(name, data, "refused", code=PARSE_ERROR)


def _values(meta: str, method: str) -> Iterator[Case]:
    """Yield requests with an odd value inside."""

    def holding(value: str) -> bytes:
        return _request("1", method, f'{{"_meta":{{{meta}"example.com/odd":{value}}}}}')

    inside = 3  # levels around the value
    for name, value in (
        ("2^53", str(2**53)),
        ("2^53 + 1", str(2**53 + 1)),
        ("2^64", str(2**64)),
        ("minus zero", "-0"),
        ("minus zero as a float", "-0.0"),
        ("an exponent", "1e2"),
        ("the greatest double", "1.7976931348623157e308"),
        ("a number that rounds to zero", "1e-400"),
        ("an integer of 300 digits", "9" * 300),
        ("300 decimals", "0." + "3" * 300),
        ("an escaped astral character", '"\\ud83d\\ude00"'),
        ("an astral character", '"\U0001f600"'),
        ("line and paragraph separators", '"\u2028\u2029\x85"'),
        ("an escaped NUL", '"\\u0000"'),
        ("a BOM inside a string", '"\ufeff"'),
        ("escaped line ends", '"\\r\\n"'),
        ("names that are used twice", '{"a":1,"a":2}'),
        ("an empty name", '{"":{"":[]}}'),
        ("a name like a slot", '{"__proto__":{"a":1},"constructor":1}'),
        ("as deep as may be", "[" * (DEEPEST - inside) + "]" * (DEEPEST - inside)),
        ("spaces between tokens", "[ 1 ,\t2 ]"),
    ):
        yield Case(name, holding(value), "answered", "1")
    yield Case("a carriage return at the end", holding("1") + b"\r", "answered", "1")
    yield Case("a carriage return between tokens", holding("[1,\r2]"), "answered", "1")
    for name, value in (
        ("1e400", "1e400"),
        ("-1e400", "-1e400"),
        ("an integer of 5,000 digits", "9" * 5_000),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("a leading zero", "01"),
        ("a leading plus", "+1"),
        ("a number that starts with a point", ".5"),
        ("a hexadecimal number", "0x10"),
        ("a lone high surrogate", '"\\ud800"'),
        ("a lone low surrogate", '"\\udc00"'),
        ("surrogates in the wrong order", '"\\udc00\\ud800"'),
        ("a name with a lone surrogate", '{"\\ud800":1}'),
        ("deeper than may be", "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1)),
        ("100,000 levels deep", "[" * 100_000 + "]" * 100_000),
    ):
        yield Case(name, holding(value), "refused", code=PARSE_ERROR)


def _ids(meta: str, method: str) -> Iterator[Case]:
    """Yield requests with ids of every type."""
    params = f'{{"_meta":{{{meta.removesuffix(", ")}}}}}'
    for ident, answered in (
        ("0", "0"),
        ("-1", "-1"),
        ("-0", "0"),
        (str(2**53 + 1), str(2**53 + 1)),
        (str(2**64 + 1), str(2**64 + 1)),
        (str(10**40), str(10**40)),
        ('""', '""'),
        ('"1"', '"1"'),
        ('"\\u2603"', '"\\u2603"'),
        ('"\U0001f600"', '"\\ud83d\\ude00"'),
        (f'"{"x" * 5_000}"', f'"{"x" * 5_000}"'),
    ):
        yield Case(f"the id {ident[:24]}", _request(ident, method, params), "answered", answered)
    for ident in ("null", "true", "false", "1.5", "1.0", "1e2", "[]", "[1]", "{}"):
        yield Case(f"the id {ident}", _request(ident, method, params), "refused", code=INVALID_REQUEST)
    yield Case("an id of 5,000 digits", _request("9" * 5_000, method, params), "refused", code=PARSE_ERROR)
    two = _request("1", method, params).replace(b'"id":1', b'"id":1,"id":2')
    yield Case("two ids", two, "answered", "2")


def _shapes(meta: str, method: str) -> Iterator[Case]:
    """Yield JSON that is no message, or none that a server can take."""
    params = f'{{"_meta":{{{meta.removesuffix(", ")}}}}}'
    request = _request("1", method, params).decode()
    for name, data in (
        ("null", "null"),
        ("true", "true"),
        ("a number", "42"),
        ("a string", '"ping"'),
        ("an empty batch", "[]"),
        ("a batch of one", f"[{request}]"),
        ("a batch of a number", "[1]"),
        ("an empty object", "{}"),
        ("a method alone", f'{{"method":"{method}"}}'),
        ("a method that is a number, without an id", '{"jsonrpc":"2.0","method":1}'),
    ):
        yield Case(name, data.encode(), "refused", code=INVALID_REQUEST)
    for name, data in (
        ("no version", request.replace('"jsonrpc":"2.0",', "")),
        ("version 1.0", request.replace('"2.0"', '"1.0"')),
        ("the version as a number", request.replace('"2.0"', "2.0")),
        ("no method", '{"jsonrpc":"2.0","id":1}'),
        ("a method that is a number", '{"jsonrpc":"2.0","id":1,"method":1}'),
        ("a method that is null", '{"jsonrpc":"2.0","id":1,"method":null}'),
        ("params that are null", _request("1", method, "null").decode()),
        ("params that are a string", _request("1", method, '"a"').decode()),
    ):
        yield Case(name, data.encode(), "refused", "1", INVALID_REQUEST)
    yield Case("params by position", _request("1", method, "[1]"), "refused", "1", INVALID_PARAMS)
    for name, data, code in (
        ("a notification with params by position", '{"jsonrpc":"2.0","method":"notifications/x","params":[1]}', INVALID_PARAMS),
        (
            "an answer with result and error",
            '{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}',
            INVALID_REQUEST,
        ),
        ("an answer with a number as result", '{"jsonrpc":"2.0","id":1,"result":5}', INVALID_REQUEST),
        ("an answer without an id", '{"jsonrpc":"2.0","result":{}}', INVALID_REQUEST),
        ("an error without a code", '{"jsonrpc":"2.0","id":1,"error":{"message":""}}', INVALID_REQUEST),
    ):
        yield Case(name, data.encode(), "nothing", code=code)
    yield Case("an unknown member", request.replace("{", '{"extra":[1],', 1).encode(), "answered", "1")
    yield Case("members in another order", _reversed(request), "answered", "1")


def _reversed(request: str) -> bytes:
    members: dict[str, object] = json.loads(request)
    return json.dumps(dict(reversed(members.items()))).encode()


def _request(ident: str, method: str, params: str) -> bytes:
    return f'{{"jsonrpc":"2.0","id":{ident},"method":{json.dumps(method)},"params":{params}}}'.encode()

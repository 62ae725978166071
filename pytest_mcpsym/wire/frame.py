"""A frame: one JSON-RPC message on one link in one direction, kept byte for byte.

`Frame.data` is what crossed the wire, without its framing (no newline, no `data:` prefix). `Frame.message` is a view that is
parsed on first use and never written back, so whatever a parser would fold (`-0`, `1e2`, duplicate keys) is still in `data`.
Bytes that are no JSON-RPC are frames too: their view says why. Pinned by `tests/wire/test_frame.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from typing import Final, Literal, NoReturn, cast

__all__ = ["Direction", "Envelope", "Frame", "Kind", "Message", "classify", "id_text", "parse", "parse_json"]

Direction = Literal["to-server", "to-client"]
"""Which way a frame went. Each link has an MCP client at one end (the switchboard) and an MCP server at the other."""

Kind = Literal["request", "notification", "result", "error", "invalid", "not-json"]
"""`invalid` is JSON that is not exactly one JSON-RPC 2.0 message; `not-json` is anything else."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What HTTP wraps around a frame; `None` on links without HTTP.

    Attributes:
        exchange: Number of the HTTP request on this link, from 1. A frame sent by the server has the number of the HTTP
            request whose response stream carried it, which is the evidence called `stream`.
        headers: Request headers of a frame to the server, response headers of a frame to the client, as sent, in order.
        status: HTTP status, for frames to the client.
        event_id: Id of the Server-Sent Event that carried the frame.
    """

    exchange: int
    headers: tuple[tuple[str, str], ...] = ()
    status: int | None = None
    event_id: str | None = None

    def header(self, name: str) -> str | None:
        """Return the first header of that name, whatever its case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Message:
    """The parsed view of one frame.

    Attributes:
        kind: What the bytes are.
        value: The parsed JSON, `None` for `not-json`.
        id: The id as JSON text with its type (`5` and `"5"` differ), `None` where there is none.
        method: Method of a request or notification.
        reason: For `invalid` and `not-json`: one sentence that says why.
    """

    kind: Kind
    value: object = None
    id: str | None = None
    method: str | None = None
    reason: str | None = None

    # These are asked for more often than anything else when a log is read, so each does its work itself.

    @property
    def params(self) -> Mapping[str, object]:
        """`params` of a request or notification; empty where absent or no object."""
        value = self.value
        found = value.get("params") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # text keys
        return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]  # JSON objects have text keys

    @property
    def result(self) -> Mapping[str, object]:
        """`result` of a response; empty where absent or no object."""
        value = self.value
        found = value.get("result") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # text keys
        return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]  # JSON objects have text keys

    @property
    def error(self) -> Mapping[str, object]:
        """`error` of a response; empty where absent or no object."""
        return _members(_members(self.value).get("error"))

    @property
    def meta(self) -> Mapping[str, object]:
        """`params._meta`, or `result._meta` of a response; empty where absent or no object."""
        holder = self.params or self.result
        return _members(holder["_meta"]) if "_meta" in holder else {}


@dataclass(frozen=True, slots=True)
class Frame:
    """One message on one link in one direction.

    Attributes:
        seq: Position in the wire log, counted over all links and side channels, from 0.
        link: Name of the link.
        direction: Which way it went.
        time: Seconds since the log was opened.
        data: The bytes of the message, without framing.
        envelope: HTTP's wrapping, `None` on other transports.
    """

    seq: int
    link: str
    direction: Direction
    time: float
    data: bytes
    envelope: Envelope | None = None
    _message: Message | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def message(self) -> Message:
        """The parsed view; the same object at every access."""
        message = self._message
        if message is None:
            message = parse(self.data)
            object.__setattr__(self, "_message", message)
        return message


def _members(value: object) -> dict[str, object]:
    """The members of a JSON object; none of anything else."""
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]  # JSON objects have text keys


def id_text(value: object) -> str:
    """Return an id as JSON text, which keeps its type: `5` → `5`, `"5"` → `"5"`, `5.0` → `5.0`."""
    if type(value) is str:
        return encode_basestring_ascii(value)
    return str(value) if type(value) is int else json.dumps(value)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON (RFC 8259 has no such number)")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)
"""`json.loads` would make one anew for each message."""
_scan_once: Final = cast("Callable[[str, int], tuple[object, int]]", _DECODER.__dict__["scan_once"])
"""What `raw_decode` calls."""


def _long_int(text: str) -> object:
    return int(text) if len(text) < _INT_DIGITS else text


_INT_DIGITS: Final = 4_000
"""Below the interpreter's own limit for text to int (4,300 digits); longer ones stay text in the view."""


def parse_json(data: bytes) -> object:
    """Parse strict UTF-8 JSON.

    Raises:
        ValueError: The bytes are no JSON; the message says why and where. Python's `NaN` and `Infinity` are refused, and so
            is nesting that is too deep to parse.
    """
    text = data.decode("utf-8")
    try:
        return _decoded(text)
    except RecursionError:
        raise ValueError("nested too deeply to parse") from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        if "digits" not in str(error):
            raise
        return cast("object", json.loads(text, parse_constant=_refuse_constant, parse_int=_long_int))


def _decoded(text: str) -> object:
    if (
        text[:1] == "{"
    ):  # Nearly always, and nearly always nothing stands behind the object: `decode` looks for white space at both ends.
        try:
            value, end = _scan_once(text, 0)
        except StopIteration:
            return cast("object", _DECODER.decode(text))  # It says what is wrong, and where.
        if end == len(text):
            return value
    return cast("object", _DECODER.decode(text) if text[:1] != "\ufeff" else json.loads(text))


def parse(data: bytes) -> Message:
    """Return the view of one message. Never raises: what cannot be parsed says so in its view."""
    try:
        return classify(parse_json(data))
    except ValueError as error:
        return Message("not-json", reason=f"not JSON: {error}")
    except RecursionError:
        return Message("not-json", reason="not JSON: nested too deeply to parse")


def classify(value: object) -> Message:
    """Return the view of parsed JSON: what it is by https://www.jsonrpc.org/specification sections 4 and 5."""
    if isinstance(value, list):
        return Message(
            "invalid",
            cast("object", value),
            reason="a JSON array: one message per frame (only revision 2025-03-26 has batches)",
        )
    if not isinstance(value, dict):
        return Message("invalid", value, reason="not a JSON object")
    return _classify(cast("dict[str, object]", value))


def _classify(value: dict[str, object]) -> Message:
    """Name what a JSON object is: here what nearly all are, and else by the rules one after the other."""
    given, method = value.get("id"), value.get("method")
    kind = type(given)
    if value.get("jsonrpc") == "2.0" and (kind is int or kind is str):
        if type(method) is str:
            if type(value.get("params")) is dict:
                return Message("request", value, id_text(given), method)
        elif type(value.get("result")) is dict and "method" not in value and "error" not in value:
            return Message("result", value, id_text(given))
    return _judged(value, id_text(given) if "id" in value else None, method)


def _judged(value: dict[str, object], ident: str | None, method: object) -> Message:
    """Name what a JSON object is, and what is wrong with it if it is no message."""

    def invalid(reason: str) -> Message:
        return Message("invalid", value, ident, method if isinstance(method, str) else None, reason)

    if value.get("jsonrpc") != "2.0":
        return invalid('`jsonrpc` is missing or not "2.0"')
    if "method" in value:
        if not isinstance(method, str):
            return invalid("`method` is not a string")
        if "params" in value and not isinstance(value["params"], (dict, list)):
            return invalid("`params` is neither an object nor an array")
        if ident is None:
            return Message("notification", value, None, method)
        if not isinstance(value["id"], (str, int)) or isinstance(value["id"], bool):
            return invalid("the `id` of a request is neither a string nor an integer")
        return Message("request", value, ident, method)
    if ("result" in value) == ("error" in value):
        return invalid("neither `method` nor exactly one of `result` and `error`")
    if "result" in value:
        if ident is None or ident == "null":
            return invalid("a result without an `id`")
        return Message("result", value, ident)
    if not isinstance(value["error"], dict):
        return invalid("`error` is not an object")
    error = _members(cast("object", value["error"]))
    code = error.get("code")
    if not isinstance(code, int) or isinstance(code, bool) or not isinstance(error.get("message"), str):
        return invalid("`error` lacks an integer `code` or a string `message`")
    return Message("error", value, ident)

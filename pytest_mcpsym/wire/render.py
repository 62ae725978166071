"""The readable transcript of a wire log, which is what a reviewer sees in a diff.

A pure function of the log, in the order of its entries: it neither sorts nor normalises. Lines have no trailing spaces, the text ends
with one newline and can always be written as UTF-8. Pinned by `tests/wire/test_render.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from pytest_mcpsym.wire.frame import Direction, Envelope, Frame, Message, id_text
from pytest_mcpsym.wire.log import Cause, Note, WireLog
from pytest_mcpsym.wire.pretty import pretty
from pytest_mcpsym.wire.route import UNKNOWN
from pytest_mcpsym.wire.splice import find, splice
from pytest_mcpsym.wire.tokens import require_json, tokens
from pytest_mcpsym.wire.upstream import UpstreamCall, body_of, callers_of, upstream_calls

__all__ = ["render"]

_INDENT: Final = "    "


def render(log: WireLog, *, width: int = 100, side_channels: bool = False) -> str:
    """Return the transcript of a log.

    First come the links, one per line, then the frames: an arrow line that says who sent what to whom, because of what, and what it
    answers, then what HTTP adds, `_meta` and the payload. What repeats on a link and direction is shown when it changes. A call of an
    HTTP API by a server is shown in the same way: method and URL or status, headers, body.

    Args:
        log: The log, redacted and in the order to show.
        width: Characters per line that short JSON may use.
        side_channels: Show notes (standard error, exits, HTTP exchanges, failures, closing), which differ between runs.
    """
    view = _View(log, width)
    blocks = ["\n".join(["# mcpsym transcript 1", *_links(log)])]
    for entry in log:
        if isinstance(entry, Frame):
            blocks.append("\n".join(line.rstrip() for line in view.frame(entry)))
        elif isinstance(entry, Note) and entry.seq in view.calls:
            blocks.append("\n".join(line.rstrip() for line in view.upstream(entry, view.calls[entry.seq])))
        elif isinstance(entry, Note) and side_channels and entry.channel not in ("open", "credentials"):
            blocks.append(_note(entry))
    return ("\n\n".join(blocks) + "\n").encode("utf-8", "backslashreplace").decode("utf-8")


# --- the header


_VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"


def _links(log: WireLog) -> Iterator[str]:
    opened = {note.link: note.data for note in reversed(log.notes) if note.channel == "open"}
    eras = _eras(log)
    for link in log.links:
        data = opened.get(link, {})
        era, revision = eras.get(link, (_text(data.get("era")), ""))
        parts = (f"link {_text(link)}", _text(data.get("transport")), era, revision)
        yield "  ".join(part for part in parts if part).rstrip()


def _eras(log: WireLog) -> dict[str, tuple[str, str]]:
    """Return era and protocol revision of each link whose frames tell, from the last that tells."""
    eras: dict[str, tuple[str, str]] = {}
    initializing: set[tuple[str, str | None]] = set()
    for frame in log.frames:
        message = frame.message
        if message.method == "initialize":
            initializing.add((frame.link, message.id))
        stated = message.meta.get(_VERSION_KEY) if message.kind == "request" else None
        if isinstance(stated, str):
            eras[frame.link] = ("modern", _text(stated))
        elif message.kind == "result" and (frame.link, message.id) in initializing:
            agreed = message.result.get("protocolVersion")
            if isinstance(agreed, str):
                eras[frame.link] = ("handshake", _text(agreed))
    return eras


# --- frames


_Payload = Literal["params", "result", "error"]
_PAYLOADS: Final[Mapping[str, _Payload]] = {"request": "params", "notification": "params", "result": "result", "error": "error"}
"""The member of each kind of message that is its payload; frames of other kinds are shown whole."""

_FLIPPED: Final[Mapping[Direction, Direction]] = {"to-server": "to-client", "to-client": "to-server"}

_NAMES: Final = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "resources/subscribe": "uri",
    "resources/unsubscribe": "uri",
    "notifications/resources/updated": "uri",
    "notifications/cancelled": "reason",
}
"""The member of `params` that says what a method is about, shown on the arrow line."""


@dataclass(slots=True)
class _View:
    """What was shown so far, which decides what is shown next."""

    log: WireLog
    width: int
    causes: dict[int, Cause] = field(init=False)
    by_seq: dict[int, Frame] = field(init=False)
    calls: dict[int, UpstreamCall] = field(init=False)
    callers: dict[str, tuple[str, ...]] = field(init=False)
    asked: dict[tuple[str, Direction, str | None], str] = field(default_factory=dict[tuple[str, Direction, "str | None"], str])
    metas: dict[tuple[str, Direction], str] = field(default_factory=dict[tuple[str, Direction], str])
    envelopes: dict[tuple[str, Direction], str] = field(default_factory=dict[tuple[str, Direction], str])

    def __post_init__(self) -> None:
        self.causes = {cause.frame: cause for cause in self.log.causes}
        self.by_seq = {frame.seq: frame for frame in self.log.frames}
        self.callers = callers_of(self.log)
        self.calls = {note.seq: call for call in upstream_calls(self.log) for note in call.notes}

    def frame(self, frame: Frame) -> Iterator[str]:
        message = frame.message
        parts = (self._arrow(frame), self._words(frame), _ident(message), _progress(message), self._because(frame))
        yield "  ".join(part for part in parts if part)
        if frame.envelope is not None:
            yield from self._envelope(frame, frame.envelope)
        member = _PAYLOADS.get(message.kind)
        if message.method and message.kind == "request":
            self.asked[frame.link, frame.direction, message.id] = message.method
        if member is None or not _is_plain(frame.data, member):
            yield from _indented(pretty(frame.data, width=self.width - len(_INDENT)))
            return
        payload = find(frame.data, (member,))
        if payload is not None:
            yield from self._payload(frame, payload)

    def upstream(self, note: Note, call: UpstreamCall) -> Iterator[str]:
        """Yield the lines of one side of a call of an HTTP API."""
        cause = self.causes.get(call.request.seq)
        by = None if cause is None else self.by_seq.get(cause.by)
        may_call = self.callers[note.link]
        caller = by.link if by is not None else may_call[0] if len(may_call) == 1 else UNKNOWN
        what = f"{_text(call.method)} {_text(call.url)}  #{call.number}"
        if note is call.request:
            parts = (f"{_text(caller)} → {_text(note.link)}", what, self._because(note))
        elif note is call.response:
            parts = (f"{_text(note.link)} → {_text(caller)}", f"HTTP {_text(note.data.get('status'))} of {what}", "")
        else:
            why = _text(note.data.get("reason"))
            parts = (f"{_text(note.link)} → {_text(caller)}", f"closed by {_text(note.data.get('by'))}: {what}", why)
        yield "  ".join(part for part in parts if part)
        for name, value in cast("Iterable[tuple[str, str]]", note.data.get("headers", ())):
            yield f"{_INDENT}{_text(name)}: {_text(value)}"
        body = body_of(note)
        if body:
            yield from _indented(_body(body, self.width - len(_INDENT)))

    def _arrow(self, frame: Frame) -> str:
        ends = ("host", _text(frame.link))
        return " → ".join(ends if frame.direction == "to-server" else reversed(ends))

    def _words(self, frame: Frame) -> str:
        message = frame.message
        if message.kind in ("request", "notification"):
            about = message.params.get(_NAMES.get(message.method or "", ""))
            kind = "notification" if message.kind == "notification" else ""
            return "  ".join(part for part in (kind, _text(message.method), _text(about)) if part)
        if message.kind in ("result", "error"):
            method = self.asked.get((frame.link, _FLIPPED[frame.direction], message.id))
            return f"{message.kind} of {_text(method)}" if method else message.kind
        return f"not JSON  ({_why(frame)})" if message.kind == "not-json" else f"invalid  ({_text(message.reason)})"

    def _because(self, entry: Frame | Note) -> str:
        cause = self.causes.get(entry.seq)
        if cause is None:
            return ""
        by = self.by_seq.get(cause.by)
        what = "  ".join((self._arrow(by), _ident(by.message))).strip() if by else "a frame that is not shown"
        return f"because {what.replace('  ', ' ')} ({cause.evidence})"

    def _envelope(self, frame: Frame, envelope: Envelope) -> Iterator[str]:
        key = frame.link, frame.direction
        text = _http(envelope, frame.direction)
        if self.envelopes.get(key) != text:
            self.envelopes[key] = text
            yield _INDENT + text

    def _payload(self, frame: Frame, payload: bytes) -> Iterator[str]:
        meta = find(payload, ("_meta",))
        rest = payload
        if meta is not None and _keys(payload).count("_meta") == 1:
            rest = splice(payload, {("_meta",): None})
            yield from self._meta(frame, meta)
        text = pretty(rest, width=self.width - len(_INDENT))
        if rest is payload or text != "{}":
            yield from _indented(text)

    def _meta(self, frame: Frame, meta: bytes) -> Iterator[str]:
        key = frame.link, frame.direction
        bare = splice(meta, {("progressToken",): None}) if meta.startswith(b"{") else meta
        text = pretty(bare, width=self.width - len(_INDENT) - len("_meta "))
        has_token = bare != meta
        before = self.metas.get(key, "{}" if has_token else None)
        self.metas[key] = text
        if before != text:
            yield from _indented(f"_meta {text}")
        elif text != "{}" or not has_token:
            yield f"{_INDENT}_meta as before"


def _body(body: bytes, width: int) -> str:
    """Return the body of an HTTP message: JSON made readable, text as it is, and of anything else how much there is."""
    try:
        require_json(body)
    except ValueError:
        pass
    else:
        return pretty(body, width=width)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"{len(body)} bytes"
    return "\n".join(_text(line) for line in text.rstrip("\n").split("\n"))


def _indented(text: str) -> Iterator[str]:
    return (_INDENT + line for line in text.split("\n"))


def _ident(message: Message) -> str:
    return f"#{_text(_readable_id(message.id))}" if message.id is not None else ""


def _readable_id(ident: str) -> str:
    return _text(pretty(ident.encode("utf-8", "backslashreplace"), width=1_000_000))


def _progress(message: Message) -> str:
    """Return the progress token on which a request asks for progress."""
    token = message.meta.get("progressToken")
    return f"progress={_readable_id(id_text(token))}" if isinstance(token, (str, int, float)) else ""


def _why(frame: Frame) -> str:
    """Return why a frame is no JSON, in words that are the same on every version of Python."""
    try:
        for _ in tokens(frame.data.decode("utf-8")):
            pass
    except UnicodeDecodeError:
        return "not UTF-8"
    except ValueError as error:
        return _text(str(error))
    return "nested too deeply to parse"


def _is_plain(data: bytes, member: str) -> bool:
    """Say whether a message has nothing but its envelope and its payload, each once, so that the payload tells all."""
    keys = _keys(data)
    return len(keys) == len(set(keys)) and {*keys} <= {"jsonrpc", "id", "method", member}


def _keys(data: bytes) -> list[str]:
    """Return the keys of a JSON object, duplicates included."""
    text, depth = data.decode("utf-8"), 0
    found: list[str] = []
    for kind, start, end in tokens(text):
        depth += (kind in ("{", "[")) - (kind in ("}", "]"))
        if kind == "key" and depth == 1:
            found.append(str(json.loads(text[start:end])))
    return found


def _http(envelope: Envelope, direction: Direction) -> str:
    """Return what HTTP adds: `mcp-*` headers and, of responses, status and content type."""
    shown = [(name.lower(), value) for name, value in envelope.headers]
    parts = ["HTTP POST" if direction == "to-server" else f"HTTP {envelope.status or ''}".rstrip()]
    if direction == "to-client":
        parts += [value for name, value in shown if name == "content-type"]
    parts += [f"{name}: {value}" for name, value in shown if name.startswith("mcp-")]
    return "  ".join(_text(part) for part in parts)


# --- notes


def _note(note: Note) -> str:
    """Return a side-channel event on one line."""
    data = dict(note.data)
    if note.channel == "approval":
        return "  ".join(
            (_text(note.link), "approval", *(_text(data.get(key)) for key in ("method", "name", "decision")))
        ).rstrip()
    if note.channel == "fault":
        what = f"{data.get('method') or 'message'}" + (f" (id {data['id']})" if data.get("id") else "")
        done = (_text(data.get("did")),) if data.get("did") else ()
        return "  ".join((_text(note.link), "fault", _text(data.get("fault")), _text(what), *done))
    words = [_text(note.link), note.channel]
    only = data.pop("text", data.pop("reason", None))
    if only is not None:
        words.append(_text(only))
    words += [f"{name}={_json(value)}" for name, value in sorted(data.items()) if name != "headers"]
    return "  ".join(words).rstrip()


def _json(value: object) -> str:
    return pretty(json.dumps(value, default=str).encode(), width=1_000_000)


def _text(value: object) -> str:
    """Return a text with everything escaped that would break the line, `""` for `None`."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else _json(value)
    return text if text.isprintable() else pretty(json.dumps(text).encode())[1:-1]

"""Reads a recording back, strictly: the file that `pytest_mcpsym.wire.recording` describes and writes, or an error with its line.

Pinned by `tests/wire/test_recording.py`.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping
from typing import Final, TypeVar, cast, get_args

from pytest_mcpsym.wire.frame import Direction, Envelope, Frame
from pytest_mcpsym.wire.log import Cause, Entry, Evidence, Note, SideChannel, WireLog
from pytest_mcpsym.wire.recording import (
    AGAIN,
    FORMAT,
    MESSAGE,
    SENDERS,
    Era,
    Fault,
    Head,
    LinkHead,
    Recording,
    RecordingError,
    Transport,
    line_of,
)
from pytest_mcpsym.wire.splice import SpliceError, find, splice
from pytest_mcpsym.wire.tokens import JSON_SPACE, is_json, require_json
from pytest_mcpsym.wire.upstream import UPSTREAM

__all__ = ["read"]

_DIRECTIONS: Final[Mapping[str, Direction]] = {sender: direction for direction, sender in SENDERS.items()}


def read(data: bytes, name: str = "recording") -> Recording:
    r"""Read a file. Its cost is linear in the file.

    A file that was still growing when its recorder was killed is read up to its last whole line. Lines may end in `\r\n`, as a checkout on Windows makes them.

    Args:
        data: The file.
        name: What errors call it, such as its path.

    Raises:
        RecordingError: The file is no recording of this version, or not as `write` wrote it.
    """
    *lines, rest = (line.removesuffix(b"\r") for line in data.split(b"\n"))
    cut = bool(rest) and not is_json(rest)
    if cut and not lines and rest.startswith(b'{"mcpsym'):
        raise _cut(name, 1)
    head, count = _read_head(lines[0] if lines else rest, name)
    if cut and lines and count is not None:
        raise _cut(name, len(lines) + 1)
    if rest and not cut:
        lines.append(rest)
    links = {link.name for link in head.links}
    only = head.links[0].name if len(links) == 1 else None
    entries = [_Line(line, name, number, links, only).entry() for number, line in enumerate(lines[1:], 2)]
    if count is not None and len(entries) != count:
        reason = f"the head says {count} entries, the file has {len(entries)}"
        remedy = f"if no lines were lost, set `entries` in line 1 to {len(entries)}, else {AGAIN}"
        raise RecordingError(name, len(lines), "truncated", reason, remedy)
    _require_causes(entries, name)
    return Recording(head, WireLog(entries))


def _cut(name: str, line: int) -> RecordingError:
    return RecordingError(name, line, "truncated", "the file ends in the middle of this line", AGAIN)


def _require_causes(entries: list[Entry], name: str) -> None:
    for entry in entries:
        if isinstance(entry, Cause):
            for key, seq in (("frame", entry.frame), ("by", entry.by)):
                named = entries[seq] if 0 <= seq < len(entries) else None
                if not (isinstance(named, Frame) or (key == "frame" and isinstance(named, Note) and named.channel == "http")):
                    raise RecordingError(name, line_of(entry), "type", f"`{key}` names line {seq + 2}, which holds no frame")


def _read_head(line: bytes, name: str) -> tuple[Head, int | None]:
    remedy = f"if it is to be a recording, {AGAIN}"
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or "mcpsym" not in found:
        reason = "the file is empty" if not line else 'the first line is no head of a recording: {"mcpsym":1,…}'
        raise RecordingError(name, 1, "no-head", reason, remedy)
    version = cast("dict[str, object]", found)["mcpsym"]
    if version != FORMAT or isinstance(version, bool):
        reason = f"the format is version {json.dumps(version)[:20]}, and this release reads version {FORMAT}"
        raise RecordingError(name, 1, "version", reason, f"use the release that wrote it, or {AGAIN}")
    reader = _Line(line, name, 1, set(), None)
    members = reader.members("mcpsym", "test", "links", "sdk", "date", optional=("entries",))
    links: list[LinkHead] = []
    for link, value in reader.object_at(members, "links").items():
        where = f"links.{link}"
        fields = reader.exactly(value, where, "transport", optional=("era",))
        transport = cast("Transport", reader.one_of(fields, "transport", get_args(Transport)))
        if transport != UPSTREAM:
            fields = reader.exactly(value, where, "era", "transport")
        era = cast("Era", reader.one_of(fields, "era", get_args(Era))) if "era" in fields else None
        links.append(LinkHead(link, era, transport))
    test, sdk, date = (reader.of_type(members, key, str) for key in ("test", "sdk", "date"))
    count = reader.of_type(members, "entries", int) if "entries" in members else None
    return Head(test, tuple(links), sdk, date), count


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        raise _TwiceError(twice)
    return members


class _TwiceError(Exception):
    """A key that an object has twice."""


_T = TypeVar("_T")
_TYPE_NAMES: Final[Mapping[type, str]] = {str: "a string", int: "a whole number", dict: "a JSON object", list: "an array"}


class _Line:
    """Reads one line strictly."""

    def __init__(self, line: bytes, name: str, number: int, links: set[str], only: str | None) -> None:
        self._line = line
        self._name = name
        self._number = number
        self._links = links
        self._only = only

    def error(self, fault: Fault, reason: str) -> RecordingError:
        return RecordingError(self._name, self._number, fault, reason)

    def entry(self) -> Entry:
        rest, message = self._taken_apart()
        found = self._parsed(rest)
        kinds = [key for key in ("from", "note", "cause") if key in found]
        if len(kinds) != 1:
            raise self.error("keys", "a line has exactly one of `from` (a frame), `note` and `cause`")
        seq = self._number - 2
        if kinds[0] == "cause":
            members = self.exactly(found, "", "cause", "at", "frame", "by")
            frame, by = (self.of_type(members, key, int) - 2 for key in ("frame", "by"))
            return Cause(
                seq, self._time(members), frame, by, cast("Evidence", self.one_of(members, "cause", get_args(Evidence)))
            )
        optional = ("link",) if self._only is not None else ()
        required = () if optional else ("link",)
        if kinds[0] == "note":
            members = self.exactly(found, "", *required, "note", "at", "data", optional=optional)
            channel = cast("SideChannel", self.one_of(members, "note", get_args(SideChannel)))
            return Note(seq, self._link(members), self._time(members), channel, self.object_at(members, "data"))
        if ("json" in found) == ("raw" in found):
            raise self.error("keys", "a frame has exactly one of `json` and `raw`")
        body = "raw" if message is None else "json"
        members = self.exactly(found, "", *required, "from", "at", body, optional=(*optional, "http"))
        direction = _DIRECTIONS[self.one_of(members, "from", tuple(_DIRECTIONS))]
        envelope = self._envelope(members["http"]) if "http" in members else None
        data = self._raw(members) if message is None else message
        return Frame(seq, self._link(members), direction, self._time(members), data, envelope)

    def members(self, *keys: str, optional: tuple[str, ...]) -> dict[str, object]:
        return self.exactly(self._parsed(self._line), "", *keys, optional=optional)

    def _taken_apart(self) -> tuple[bytes, bytes | None]:
        """Return the line with its message replaced by null, and the message as it is spelled; `None` where there is none."""
        # No string of JSON can hold these bytes, so where what is before and after them parses, the rest is the message.
        before, found, after = self._line.partition(MESSAGE)
        if found and after.endswith(b"}"):
            message = after[:-1].strip(JSON_SPACE)
            try:
                require_json(message)
                json.loads(before + b"}")
            except (ValueError, RecursionError):
                pass
            else:
                return before + MESSAGE + b"null}", message
        try:
            message = find(self._line, ("json",))
            return (self._line if message is None else splice(self._line, {("json",): b"null"})), message
        except SpliceError:
            return self._line, None

    def _parsed(self, line: bytes) -> dict[str, object]:
        try:
            require_json(line)
        except UnicodeDecodeError as error:
            raise self.error("not-json", f"the line is no UTF-8 at byte {error.start}") from None
        except ValueError as error:
            raise self.error("not-json", f"the line is no JSON: {error}") from None
        try:
            found = json.loads(line, object_pairs_hook=_once)
        except _TwiceError as error:
            raise self.error("keys", f"{json.dumps(error.args[0])} is there twice in one object") from None
        except (ValueError, RecursionError):
            raise self.error("type", "the line is nested too deeply, or holds too long a number") from None
        if not isinstance(found, dict):
            raise self.error("type", "the line is no JSON object")
        return cast("dict[str, object]", found)

    def exactly(self, value: object, where: str, *required: str, optional: tuple[str, ...] = ()) -> dict[str, object]:
        """Return an object that has all these keys and no other."""
        inside = f" in `{where}`" if where else ""
        if not isinstance(value, dict):
            raise self.error("type", f"`{where}` is no JSON object")
        members = cast("dict[str, object]", value)
        for key in required:
            if key not in members:
                raise self.error("keys", f"`{key}` is missing{inside}")
        for key in members:
            if key not in required and key not in optional:
                known = ", ".join(f"`{one}`" for one in (*required, *optional))
                raise self.error("keys", f"{json.dumps(key)} is unknown{inside}, where {known} may be")
        return members

    def of_type(self, members: Mapping[str, object], key: str, kind: type[_T]) -> _T:
        value = members[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.error("type", f"`{key}` is not {_TYPE_NAMES[kind]}")
        return value

    def object_at(self, members: Mapping[str, object], key: str) -> dict[str, object]:
        return cast("dict[str, object]", self.of_type(members, key, dict))

    def one_of(self, members: Mapping[str, object], key: str, choices: tuple[str, ...]) -> str:
        value = members[key]
        if not isinstance(value, str) or value not in choices:
            raise self.error("type", f"`{key}` is not one of {', '.join(json.dumps(one) for one in choices)}")
        return value

    def _link(self, members: Mapping[str, object]) -> str:
        link = self.of_type(members, "link", str) if "link" in members else str(self._only)
        if link not in self._links:
            raise self.error("type", f"`link` names {json.dumps(link)}, which the head does not")
        return link

    def _time(self, members: Mapping[str, object]) -> float:
        value = members["at"]
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
            raise self.error("type", "`at` is not a number of seconds")
        return float(value)

    def _raw(self, members: Mapping[str, object]) -> bytes:
        try:
            return base64.b64decode(self.of_type(members, "raw", str), validate=True)
        except (binascii.Error, ValueError) as error:
            if isinstance(error, RecordingError):
                raise
            raise self.error("type", "`raw` is not base64") from None

    def _envelope(self, value: object) -> Envelope:
        members = self.exactly(value, "http", "exchange", optional=("status", "event", "headers"))
        status = self.of_type(members, "status", int) if "status" in members else None
        event = self.of_type(members, "event", str) if "event" in members else None
        headers = tuple(self._headers(members)) if "headers" in members else ()
        return Envelope(self.of_type(members, "exchange", int), headers, status, event)

    def _headers(self, members: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        for header in cast("list[object]", self.of_type(members, "headers", list)):
            pair = cast("list[object]", header) if isinstance(header, list) else []
            if len(pair) != 2 or not isinstance(pair[0], str) or not isinstance(pair[1], str):
                raise self.error("type", "`headers` is not a list of [name, value]")
            yield pair[0], pair[1]

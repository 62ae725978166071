"""The recording: a wire log on disk that a person can read in a diff.

A file is JSON lines in UTF-8. The first line is the head, each line after it one entry of the log, in order:

    {"mcpsym":1,"test":"tests/test_trip.py::test_plan","links":{"weather":{"era":"handshake","transport":"stdio"}},
     "sdk":"mcp 2.3.0","date":"2026-01-31","entries":3}                                        (one line in the file)
    {"note":"open","at":0,"data":{"transport":"stdio","era":"handshake","target":"npx weather"}}
    {"from":"client","at":0.002,"json":{"jsonrpc":"2.0","id":1,"method":"ping"}}
    {"from":"server","at":0.003,"http":{"exchange":1,"status":200},"raw":"Z2FyYmFnZQ=="}

* A frame says who sent it, and holds its message as it was, byte for byte: as `json` where it is JSON on one line, else as `raw` in
  base64. Keys that say nothing are left out: `http` on links without HTTP, `link` where the head names only one.
* A cause record says which line was caused by which: `{"cause":"routed","at":0.1,"frame":7,"by":5}`.
* A link to an HTTP API has no era in the head: `"api":{"transport":"upstream"}`. Its calls are notes, and a cause record may name one.
* Lines are numbered as editors do: the entry with `seq` n is on line n + 2.
* A file that grows while it is recorded has no `entries` in its head: `head_line`, then an `entry_line` for each entry. Whoever writes
  it may be killed at any moment, so there, and only there, `read` drops a last line that was cut in the middle.

What `write` wrote, `read` reads back exactly as `as_written` defines it: entries numbered by position, times in milliseconds.
Secrets are not its business: `pytest_mcpsym.wire.redact` removes them before, `pytest_mcpsym.wire.held` looks for them after. Pinned by
`tests/wire/test_recording.py`.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeVar, cast, get_args

from pytest_mcpsym.wire.frame import Direction, Envelope, Frame
from pytest_mcpsym.wire.log import Cause, Entry, Evidence, Note, SideChannel, WireLog
from pytest_mcpsym.wire.splice import SpliceError, find, splice
from pytest_mcpsym.wire.tokens import require_json
from pytest_mcpsym.wire.upstream import UPSTREAM

__all__ = [
    "FORMAT",
    "Era",
    "Fault",
    "Head",
    "LinkHead",
    "Recording",
    "RecordingError",
    "Transport",
    "as_written",
    "entry_line",
    "head_line",
    "line_of",
    "of_link",
    "read",
    "write",
]

FORMAT: Final = 1
"""Version of the format that this module reads and writes."""

Era = Literal["handshake", "modern"]
Transport = Literal["memory", "stdio", "http", "upstream"]

Fault = Literal["no-head", "version", "not-json", "keys", "type", "truncated", "secret"]
"""What is wrong with a recording: its first line is no head; it is of another version; a line is no JSON; keys are unknown, missing
or there twice; a value is of the wrong type; lines are missing; it holds a secret."""

_AGAIN: Final = "record it again with pytest --mcp-rerecord"
_EDITED: Final = f"undo the edit by hand, or {_AGAIN}"


class RecordingError(ValueError):
    """A recording that cannot be used.

    Attributes:
        place: The file's name and line, as in `recordings/test_trip/test_plan.weather.jsonl:7`.
        line: The line, from 1.
        fault: Machine-readable reason.
    """

    def __init__(self, name: str, line: int, fault: Fault, reason: str, remedy: str = _EDITED) -> None:
        self.place = f"{name}:{line}"
        self.line = line
        self.fault: Fault = fault
        super().__init__(f"{self.place}: {reason}; {remedy}")


@dataclass(frozen=True, slots=True)
class LinkHead:
    """What the head says of one link; one to an HTTP API (`upstream`) has no era."""

    name: str
    era: Era | None
    transport: Transport


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a recording, without what follows from the log.

    Attributes:
        test: Id of the test that was recorded; empty where it was no test, as with `mcpsym record`.
        links: The links of the log; a log may leave some of them empty.
        sdk: Name and version of the software that was the client.
        date: When it was recorded, as the caller spells it.
    """

    test: str
    links: tuple[LinkHead, ...]
    sdk: str
    date: str


@dataclass(frozen=True, slots=True)
class Recording:
    """What a file holds."""

    head: Head
    log: WireLog


def line_of(entry: Entry) -> int:
    """Return the line that an entry of a recording's log stands on."""
    return entry.seq + 2


def as_written(log: WireLog) -> WireLog:
    """Return the log as a recording keeps it.

    Entries are numbered by position and times are whole milliseconds. Cause records that name a frame which the log does not hold are
    left out, and what a note holds becomes what JSON makes of it (tuples become lists). A log for which nothing of this is to be done
    is kept as it is.

    Raises:
        ValueError: A note holds a number that JSON cannot.
        TypeError: A note holds a value that JSON cannot.
    """
    frames = {entry.seq for entry in log if isinstance(entry, Frame)}
    caused = frames | {entry.seq for entry in log if isinstance(entry, Note) and entry.channel == "http"}
    kept = [entry for entry in log if not isinstance(entry, Cause) or (entry.frame in caused and entry.by in frames)]
    places = {entry.seq: place for place, entry in enumerate(kept) if not isinstance(entry, Cause)}
    entries: list[Entry] = []
    for seq, entry in enumerate(kept):
        time = round(entry.time, 3) + 0.0  # adding zero turns -0.0 into 0.0
        match entry:
            case Frame():
                entries.append(replace(entry, seq=seq, time=time))
            case Note():
                data = cast("Mapping[str, object]", json.loads(_dumped(dict(entry.data))))
                entries.append(replace(entry, seq=seq, time=time, data=data))
            case Cause():
                entries.append(replace(entry, seq=seq, time=time, frame=places[entry.frame], by=places[entry.by]))
    return WireLog(entries)


def of_link(log: WireLog, link: str) -> WireLog:
    """Return what a log holds of one link, as a recording keeps it: the content of the file for that link."""
    return as_written(WireLog(entry for entry in log if isinstance(entry, Cause) or entry.link == link))


# --- writing


def write(log: WireLog, head: Head) -> bytes:
    """Return the file for a log. Its cost is linear in the log.

    Args:
        log: What to keep, redacted.
        head: The first line.

    Raises:
        ValueError: The log has a link that the head does not name, or a time or a note's number that is none.
        TypeError: A note holds a value that JSON cannot.
    """
    names = [link.name for link in head.links]
    strangers = [link for link in log.links if link not in names]
    if strangers or len(set(names)) < len(names):
        raise ValueError(f"the head must name each link once: it names {names}, the log has {list(log.links)}")
    entries = as_written(log).entries
    alone = len(names) == 1
    return b"".join((head_line(head, entries=len(entries)), *(entry_line(entry, alone=alone) for entry in entries)))


def head_line(head: Head, *, entries: int | None = None) -> bytes:
    """Return the first line of a file, with its newline.

    Args:
        head: What it says.
        entries: How many entries follow; `None` for a file that grows while it is recorded.
    """
    first: dict[str, object] = {
        "mcpsym": FORMAT,
        "test": head.test,
        "links": {link.name: {**({"era": link.era} if link.era else {}), "transport": link.transport} for link in head.links},
        "sdk": head.sdk,
        "date": head.date,
    }
    return _dumped(first if entries is None else {**first, "entries": entries}) + b"\n"


_UNSEEN: Final = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
"""Characters that editors hide or take for the end of a line, and those that UTF-8 has no bytes for."""


def _dumped(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def entry_line(entry: Entry, *, alone: bool = True) -> bytes:
    """Return the line of one entry, with its newline.

    Args:
        entry: What to keep, redacted; what a cause record names must be the places of frames in the file.
        alone: Whether the head names one link only, which the line then need not name.

    Raises:
        ValueError: A time or a note's number is none.
        TypeError: A note holds a value that JSON cannot.
    """
    return _line(entry, alone=alone) + b"\n"


def _line(entry: Entry, *, alone: bool) -> bytes:
    time = round(entry.time, 3)
    time = int(time) if time.is_integer() else time
    if isinstance(entry, Cause):
        by, frame = entry.by + 2, entry.frame + 2
        return _dumped({"cause": entry.evidence, "at": time, "frame": frame, "by": by})
    link = {} if alone else {"link": entry.link}
    if isinstance(entry, Note):
        return _dumped({**link, "note": entry.channel, "at": time, "data": entry.data})
    members: dict[str, object] = {**link, "from": _SENDERS[entry.direction], "at": time}
    if entry.envelope is not None:
        members["http"] = _http(entry.envelope)
    if not _is_one_line_of_json(entry.data):
        return _dumped({**members, "raw": base64.b64encode(entry.data).decode()})
    return _dumped(members)[:-1] + _JSON + entry.data + b"}"


_SENDERS: Final[Mapping[Direction, str]] = {"to-server": "client", "to-client": "server"}
_DIRECTIONS: Final[Mapping[str, Direction]] = {sender: direction for direction, sender in _SENDERS.items()}
_JSON: Final = b',"json":'
_SPACE: Final = b" \t\r\n"


def _is_one_line_of_json(data: bytes) -> bool:
    return b"\n" not in data and b"\r" not in data and data == data.strip(_SPACE) and _is_json(data)


def _is_json(data: bytes) -> bool:
    try:
        require_json(data)
    except ValueError:
        return False
    return True


def _http(envelope: Envelope) -> dict[str, object]:
    members: dict[str, object] = {"exchange": envelope.exchange}
    if envelope.status is not None:
        members["status"] = envelope.status
    if envelope.event_id is not None:
        members["event"] = envelope.event_id
    if envelope.headers:
        members["headers"] = envelope.headers
    return members


# --- reading


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
    cut = bool(rest) and not _is_json(rest)
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
        remedy = f"if no lines were lost, set `entries` in line 1 to {len(entries)}, else {_AGAIN}"
        raise RecordingError(name, len(lines), "truncated", reason, remedy)
    _require_causes(entries, name)
    return Recording(head, WireLog(entries))


def _cut(name: str, line: int) -> RecordingError:
    return RecordingError(name, line, "truncated", "the file ends in the middle of this line", _AGAIN)


def _require_causes(entries: list[Entry], name: str) -> None:
    for entry in entries:
        if isinstance(entry, Cause):
            for key, seq in (("frame", entry.frame), ("by", entry.by)):
                named = entries[seq] if 0 <= seq < len(entries) else None
                if not (isinstance(named, Frame) or (key == "frame" and isinstance(named, Note) and named.channel == "http")):
                    raise RecordingError(name, line_of(entry), "type", f"`{key}` names line {seq + 2}, which holds no frame")


def _read_head(line: bytes, name: str) -> tuple[Head, int | None]:
    remedy = f"if it is to be a recording, {_AGAIN}"
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
        raise RecordingError(name, 1, "version", reason, f"use the release that wrote it, or {_AGAIN}")
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
        before, found, after = self._line.partition(_JSON)
        if found and after.endswith(b"}"):
            message = after[:-1].strip(_SPACE)
            try:
                require_json(message)
                json.loads(before + b"}")
            except (ValueError, RecursionError):
                pass
            else:
                return before + _JSON + b"null}", message
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

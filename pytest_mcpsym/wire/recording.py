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

What `write` wrote, `pytest_mcpsym.wire.reading.read` reads back exactly as `as_written` defines it: entries numbered by position, times in milliseconds.
Secrets are not its business: `pytest_mcpsym.wire.redact` removes them before, `pytest_mcpsym.wire.held` looks for them after. Pinned by
`tests/wire/test_recording.py`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, cast

from pytest_mcpsym.wire.frame import Direction, Envelope, Frame
from pytest_mcpsym.wire.log import Cause, Entry, Note, WireLog
from pytest_mcpsym.wire.tokens import JSON_SPACE, is_json

__all__ = [
    "AGAIN",
    "FORMAT",
    "MESSAGE",
    "SENDERS",
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
    "write",
]

FORMAT: Final = 1
"""Version of the format that this module reads and writes."""

Era = Literal["handshake", "modern"]
Transport = Literal["memory", "stdio", "http", "upstream"]

Fault = Literal["no-head", "version", "not-json", "keys", "type", "truncated", "secret"]
"""What is wrong with a recording: its first line is no head; it is of another version; a line is no JSON; keys are unknown, missing
or there twice; a value is of the wrong type; lines are missing; it holds a secret."""

SENDERS: Final[Mapping[Direction, str]] = {"to-server": "client", "to-client": "server"}
"""What `from` says of a frame, by its direction."""

MESSAGE: Final = b',"json":'
"""What stands before a message in its line."""

AGAIN: Final = "record it again with pytest --mcp-rerecord"
"""What to do about a file that cannot be mended."""

_EDITED: Final = f"undo the edit by hand, or {AGAIN}"


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
    return as_written(
        WireLog(entry for entry in log if isinstance(entry, Cause) or (entry.link == link and not _is_local(entry)))
    )


def _is_local(entry: Entry) -> bool:
    """Whether an entry says something of this run only."""
    return isinstance(entry, Note) and entry.channel == "credentials"


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
    members: dict[str, object] = {**link, "from": SENDERS[entry.direction], "at": time}
    if entry.envelope is not None:
        members["http"] = _http(entry.envelope)
    if not _is_one_line_of_json(entry.data):
        return _dumped({**members, "raw": base64.b64encode(entry.data).decode()})
    return _dumped(members)[:-1] + MESSAGE + entry.data + b"}"


def _is_one_line_of_json(data: bytes) -> bool:
    return b"\n" not in data and b"\r" not in data and data == data.strip(JSON_SPACE) and is_json(data)


def _http(envelope: Envelope) -> dict[str, object]:
    members: dict[str, object] = {"exchange": envelope.exchange}
    if envelope.status is not None:
        members["status"] = envelope.status
    if envelope.event_id is not None:
        members["event"] = envelope.event_id
    if envelope.headers:
        members["headers"] = envelope.headers
    return members

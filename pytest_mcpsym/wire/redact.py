"""Structural redaction: secrets become stable placeholders such as `<authorization:1>` before bytes leave the process.

What counts as secret by its place is in `sensitive.py`. A secret that was found in one place is replaced wherever else it occurs,
also percent-encoded, in base64 or JSON-escaped, and so are the values that `Rules.secrets` names. The same secret has the same
placeholder throughout. Everything else stays byte for byte, and redacting twice is redacting once. Pinned by
`tests/wire/test_redact.py`.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple, cast
from urllib.parse import quote, quote_plus

from pytest_mcpsym.wire.frame import Envelope, Frame
from pytest_mcpsym.wire.log import Cause, Entry, Note, WireLog
from pytest_mcpsym.wire.sensitive import (
    MIN_LENGTH,
    PLACEHOLDER,
    PROTOCOL_WORDS,
    is_secret_field,
    is_secret_header,
    may_hold_secrets,
    normal_name,
    scheme_end,
    spots,
)
from pytest_mcpsym.wire.tokens import Token, tokens

__all__ = ["Redactor", "Rules", "redact", "spellings"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What is secret beyond the defaults.

    Attributes:
        headers: More header names.
        fields: More names of JSON members and query parameters.
        secrets: Values that are known to be secret, as pairs of label and value, such as the credentials of links.
    """

    headers: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()
    secrets: tuple[tuple[str, str], ...] = ()


def redact(log: WireLog, rules: Rules | None = None) -> WireLog:
    """Return the log with its secrets replaced; seqs and times stay, and entries without secrets are the same objects."""
    return Redactor(rules).log(log)


_Step = Literal["structure", "values"]
"""Redaction is two steps: replace what stands in a secret place, then replace what is known to be secret anywhere."""


_SHORT: Final = 200
_REMEMBERED: Final = 2_000


class _Edit(NamedTuple):
    start: int
    end: int
    text: str


class Redactor:
    """Remembers the secrets that it saw, so that each keeps its placeholder.

    Args:
        rules: What is secret beyond the defaults.
    """

    def __init__(self, rules: Rules | None = None) -> None:
        rules = rules or Rules()
        self._header_names = frozenset(name.lower() for name in rules.headers)
        self._field_names = frozenset(normal_name(name) for name in rules.fields)
        # The quick look folds the case of ASCII only, so a name beyond ASCII becomes b"", which is in every text.
        self._signs = tuple(name.encode() if name.isascii() else b"" for name in self._field_names)
        self._placeholders: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._watch = _Watch()
        self._clean: dict[tuple[_Step, str], int] = {}
        for label, value in rules.secrets:
            self._watch.add(value, label)

    def text(self, text: str) -> str:
        """Return a text (a line of stderr, a URL, an error) with its secrets replaced."""
        return self.data(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def data(self, data: bytes) -> bytes:
        """Return the bytes of a message with its secrets replaced; the same object where there are none."""
        self._reserve(data)
        while True:
            after = self._data(self._data(data, "structure"), "values")
            if after is data:
                return data
            data = after

    def headers(self, headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Return HTTP headers with the secrets in their values replaced."""
        before = tuple(headers)
        while True:
            after = self._headers(self._headers(before, "structure"), "values")
            if after == before:
                return after
            before = after

    @property
    def known(self) -> int:
        """How many secrets are looked for everywhere. Where it grows, an entry from before may hold the new one."""
        return len(self._watch)

    def entry(self, entry: Entry) -> Entry:
        """Return one entry of a log that still grows, with the secrets replaced that are known by now."""
        if isinstance(entry, Frame):
            self._reserve(entry.data)
        while True:
            after = self._entry(self._entry(entry, "structure"), "values")
            if after is entry:
                return entry
            entry = after

    def log(self, log: WireLog) -> WireLog:
        """Return the log with its secrets replaced.

        A replacement can bring a secret to light that its neighbours hid, so what changed is looked at again until nothing changes.
        """
        entries = list(log)
        for entry in entries:
            if isinstance(entry, Frame):
                self._reserve(entry.data)
        changed, known = set(range(len(entries))), -1
        while changed:
            again: set[int] = set()
            for step in ("structure", "values"):
                grown = step == "values" and len(self._watch) != known
                for index in range(len(entries)) if grown else sorted(changed):
                    after = self._entry(entries[index], step)
                    if after is not entries[index]:
                        entries[index] = after
                        again.add(index)
                known = len(self._watch) if grown else known
            changed = again
        return WireLog(entries)

    # --- entries

    def _entry(self, entry: Entry, step: _Step) -> Entry:
        if isinstance(entry, Cause):
            return entry
        if isinstance(entry, Note):
            value = (
                self._credentials(entry.data, step) if entry.channel == "credentials" else self._value(None, entry.data, step)
            )
            return entry if value is entry.data else replace(entry, data=cast("Mapping[str, object]", value))
        envelope = entry.envelope and self._envelope(entry.envelope, step)
        data = self._data(entry.data, step)
        return entry if data is entry.data and envelope is entry.envelope else replace(entry, data=data, envelope=envelope)

    def _credentials(self, data: Mapping[str, object], step: _Step) -> Mapping[str, object]:
        """Redact a note of credentials: every value is one, whatever its name; the same object where nothing changed."""
        pairs = cast("list[list[str]]", data["values"])
        after = [[name, _applied(value, self._secret(name, value))] for name, value in pairs] if step == "structure" else pairs
        return data if after == pairs else {"values": after}

    def _envelope(self, envelope: Envelope, step: _Step) -> Envelope:
        headers = self._headers(envelope.headers, step)
        event = envelope.event_id and self._string(envelope.event_id, step)
        return (
            envelope
            if headers == envelope.headers and event == envelope.event_id
            else replace(envelope, headers=headers, event_id=event)
        )

    def _headers(self, headers: tuple[tuple[str, str], ...], step: _Step) -> tuple[tuple[str, str], ...]:
        return tuple((name, self._header(name, value, step)) for name, value in headers)

    def _header(self, name: str, value: str, step: _Step) -> str:
        if step == "structure" and is_secret_header(name, self._header_names):
            edits = self._secret(name, value)
            if edits and name.lower() in ("cookie", "set-cookie"):
                for pair in value.split(";")[: 1 if name.lower() == "set-cookie" else None]:
                    self._watch.add(pair.partition("=")[2].strip(), name, at_least=8)
            return _applied(value, edits)
        return self._string(value, step)

    def _value(self, name: str | None, value: object, step: _Step) -> object:
        """Redact the data of a note, which is made of mappings, lists and scalars; the same object where nothing changed."""
        before = after = value
        if isinstance(value, Mapping):
            members = cast("Mapping[str, object]", value)
            after = {key: self._value(key, member, step) for key, member in members.items()}
        elif isinstance(value, (list, tuple)):
            elements = cast("list[object] | tuple[object, ...]", value)
            after = [self._element(name, element, step) for element in elements]
            after = after if isinstance(value, list) else tuple(after)
        elif step == "structure" and name is not None and self._is_secret(name) and _is_leaf(value):
            after = _applied(str(value), self._secret(name, str(value)))
        elif isinstance(value, str):
            after = self._string(value, step)
        return before if after == before else after

    def _element(self, name: str | None, element: object, step: _Step) -> object:
        whole = element
        if name == "headers" and isinstance(element, (list, tuple)):
            pair = cast("list[object] | tuple[object, ...]", element)
            if len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], str):
                redacted = [pair[0], self._header(pair[0], pair[1], step)]
                return redacted if isinstance(element, list) else tuple(redacted)
        return self._value(None, whole, step)

    # --- text

    def _data(self, data: bytes, step: _Step) -> bytes:
        if not (may_hold_secrets(data, self._signs) if step == "structure" else self._watch.may_be_in(data)):
            return data
        text = data.decode("utf-8", "surrogateescape")
        edits = self._edits(text, step)
        return _applied(text, edits).encode("utf-8", "surrogateescape") if edits else data

    def _string(self, text: str, step: _Step) -> str:
        # The same headers come with every message, so what was found clean is not searched again until there is more to look for.
        key: tuple[_Step, str] = (step, text)
        known = len(self._watch)
        if self._clean.get(key) == known:
            return text
        edits = self._edits(text, step)
        if not edits and len(text) <= _SHORT:
            if len(self._clean) >= _REMEMBERED:
                self._clean.clear()
            self._clean[key] = known
        return _applied(text, edits)

    def _edits(self, text: str, step: _Step) -> list[_Edit]:
        """Return the edits of a text, which may itself be JSON."""
        if text.lstrip(" \t\r\n")[:1] in ("{", "[", '"'):
            try:
                return self._json_edits(text, list(tokens(text)), step)
            except ValueError:
                pass  # it only began like JSON, so it is redacted as text
        if step == "values":
            return [_Edit(start, end, self._placeholder("", value)) for start, end, value in self._watch.search(text)]
        edits: list[_Edit] = []
        for spot in spots(text, self._is_secret):
            for value in spot.watched:
                self._watch.add(value, spot.label)
            edits.append(_Edit(spot.start, spot.end, self._placeholder(spot.label, spot.value)))
        return edits

    def _json_edits(self, text: str, found: list[Token], step: _Step) -> list[_Edit]:
        edits: list[_Edit] = []
        name: str | None = None
        for kind, start, end in found:
            if kind in ("key", "string"):
                raw = text[start + 1 : end - 1]
                value = str(json.loads(text[start:end])) if "\\" in raw else raw
                inner = self._member(name, value, step, is_key=kind == "key")
                edits += _lifted(raw, start + 1, inner)
                name = value if kind == "key" else None
            elif kind == "number":
                inner = self._member(name, text[start:end], step, is_key=False, is_number=True)
                if inner:
                    edits.append(_Edit(start, end, json.dumps(inner[0].text, ensure_ascii=False)))
            if kind not in ("key", ":"):
                name = None
        return edits

    def _member(self, name: str | None, value: str, step: _Step, *, is_key: bool, is_number: bool = False) -> list[_Edit]:
        """Return the edits of a key, or of a string or number that stands under `name`."""
        if step == "structure":
            if not is_key and name is not None and self._is_secret(name):
                return self._secret(name, value)
            return [] if is_key or is_number else self._edits(value, step)
        if value in PROTOCOL_WORDS:
            return []
        if is_number:
            return [_Edit(0, len(value), self._placeholder("", value))] if value in self._watch else []
        return self._edits(value, step)

    # --- secrets

    def _is_secret(self, name: str) -> bool:
        return is_secret_field(name, self._field_names)

    def _secret(self, label: str, value: str) -> list[_Edit]:
        """Return the edit of a value that stands in a secret place; a scheme such as `Bearer` stays readable."""
        start = scheme_end(value)
        secret = value[start:]
        if not secret or PLACEHOLDER.fullmatch(secret):
            return []
        self._watch.add(secret, label)
        return [_Edit(start, len(value), self._placeholder(label, secret))]

    def _placeholder(self, label: str, value: str) -> str:
        found = self._placeholders.get(value)
        if found is None:
            label = re.sub(r"[^\w.-]+", "-", self._watch.label(value, label).lower()).strip("-")[:60] or "secret"
            self._counts[label] += 1
            found = self._placeholders[value] = f"<{label}:{self._counts[label]}>"
        return found

    def _reserve(self, data: bytes) -> None:
        """Keep the numbers of placeholders that are there already, so that no other secret gets them."""
        if b"<" in data and b":" in data:
            for placeholder in PLACEHOLDER.findall(data.decode("utf-8", "replace")):
                label, _, number = placeholder[1:-1].rpartition(":")
                if placeholder not in self._placeholders.values():
                    self._counts[label] = max(self._counts[label], int(number))


def _is_leaf(value: object) -> bool:
    """Say whether a value in a secret place is replaced: a string or a number, but no schema, no flag and no null."""
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _applied(text: str, edits: list[_Edit]) -> str:
    if not edits:
        return text
    pieces: list[str] = []
    position = 0
    for edit in edits:
        pieces += (text[position : edit.start], edit.text)
        position = edit.end
    return "".join([*pieces, text[position:]])


_UNIT: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL)


def _lifted(raw: str, start: int, edits: list[_Edit]) -> list[_Edit]:
    """Turn edits of a decoded string into edits of the JSON text that holds its raw spelling at `start`."""
    if not edits:
        return []
    at = [match.start() for match in _UNIT.finditer(raw)] if "\\" in raw else range(len(raw))
    at = [*at, len(raw)]
    return [_Edit(start + at[e.start], start + at[e.end], json.dumps(e.text, ensure_ascii=False)[1:-1]) for e in edits]


# --- known values


class _Bucket(NamedTuple):
    lengths: list[int]
    values: dict[str, str]


class _Watch:
    """The values that are looked for everywhere, in all forms they may take, indexed so that the search is linear in the text."""

    _FEW: Final = 100

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        self._buckets: dict[str, _Bucket] = {}
        self._needles: list[bytes] = []
        self._prefixes: set[bytes] = set()
        self._escaped = False

    def __len__(self) -> int:
        return len(self._labels)

    def __contains__(self, value: str) -> bool:
        return value in self._labels

    def label(self, value: str, default: str) -> str:
        return self._labels.get(value, default)

    def add(self, value: str, label: str, *, at_least: int = MIN_LENGTH) -> None:
        if len(value) < at_least or value in self._labels or PLACEHOLDER.search(value) or value in PROTOCOL_WORDS:
            return
        self._labels[value] = label
        forms = spellings(value)
        for form in forms:
            lengths, values = self._buckets.setdefault(form[:MIN_LENGTH], _Bucket([], {}))
            values.setdefault(form, value)
            if len(form) not in lengths:
                lengths.append(len(form))
                lengths.sort(reverse=True)
            needle = form.encode("utf-8", "surrogatepass")
            self._prefixes.add(needle[:MIN_LENGTH])
            # A form that holds another one need not be looked for by itself.
            if len(self._needles) <= self._FEW and not any(other in form for other in forms if other != form):
                self._needles.append(needle)
        self._escaped = self._escaped or not value.isprintable() or '"' in value or "\\" in value

    def may_be_in(self, data: bytes) -> bool:
        """Say quickly whether a value may be in JSON or text; `False` is certain."""
        if not self._labels:
            return False
        if b"\\" in data and (self._escaped or b"\\u" in data or b"\\/" in data):
            return True
        if len(self._needles) > self._FEW:
            return not self._prefixes.isdisjoint(data[i : i + MIN_LENGTH] for i in range(len(data) - MIN_LENGTH + 1))
        return any(needle in data for needle in self._needles)

    def search(self, text: str) -> list[tuple[int, int, str]]:
        """Return where values are, longest first where several begin, never inside a placeholder or across one."""
        found: list[tuple[int, int, str]] = []
        position = 0
        for placeholder in PLACEHOLDER.finditer(text):
            found += self._segment(text, position, placeholder.start())
            position = placeholder.end()
        return found + self._segment(text, position, len(text))

    def _segment(self, text: str, position: int, end: int) -> list[tuple[int, int, str]]:
        found: list[tuple[int, int, str]] = []
        buckets = self._buckets
        while position <= end - MIN_LENGTH:
            bucket = buckets.get(text[position : position + MIN_LENGTH])
            step = 1
            for length in bucket.lengths if bucket else ():
                value = bucket.values.get(text[position : position + length]) if bucket and position + length <= end else None
                if value is not None:
                    step = length
                    found.append((position, position + length, value))
                    break
            position += step
        return found


def spellings(value: str) -> set[str]:
    """Return the spellings of a secret: as it is, percent-encoded, JSON-escaped, in hex, and in base64 at any offset."""
    raw = value.encode("utf-8", "surrogatepass")
    forms = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], value.replace("/", "\\/")}
    forms |= {raw.hex(), raw.hex().upper()}
    every = "".join(f"%{byte:02X}" for byte in raw)
    for quoted in (quote(raw, safe=""), quote(raw), quote_plus(raw), every):
        forms |= {quoted, re.sub("%[0-9A-F]{2}", lambda m: m[0].lower(), quoted)}
    for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
        padded = encode(raw).decode()
        forms |= {padded, padded.rstrip("=")}
        if len(raw) >= 12:
            # In the middle of longer data only the characters whose six bits all belong to the secret are known.
            for offset in (0, 1, 2):
                shifted = encode(bytes(offset) + raw).decode().rstrip("=")
                forms.add(shifted[(offset * 8 + 5) // 6 : (offset + len(raw)) * 8 // 6])
    return {form for form in forms if len(form) >= MIN_LENGTH}

"""Matching: whether two messages mean the same, and where they part.

Requests are compared by method and params, as JSON values: white space, order of keys and spelling of strings do not matter, `1`, `1.0`
and `10e-1` are equal (exactly, at any length), `true`, `1` and `"1"` are not, and of duplicate keys the last one counts. What differs
from run to run without any meaning is left out:

| left out | why |
|---|---|
| `id`, `progressToken` | the client makes them up |
| `traceparent`, `tracestate`, `baggage`, `dev.mcpsym/budget`, `dev.mcpsym/cause`, `dev.mcpsym/usage` in `_meta` | they say when and for whom |
| `clientInfo` of `initialize` and of the modern envelope | who asks changes no answer; what it can (`clientCapabilities`) does |
| the values of `requestState` and `continuation` | the server made them up; `Asked.states` keeps them |
| the number of a placeholder such as `<token:2>` | it counts what else was secret; `Asked.placeholders` keeps it |

An empty `_meta` is none, and so are empty params. Cursors are compared: a replayed server hands out the recorded ones. Nothing here
recurses. Pinned by `tests/wire/test_match.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as _quoted
from typing import Final, NoReturn, cast

from pytest_mcpsym.wire.extension import BUDGET_KEY, CAUSE_KEY, TRACE_KEYS, USAGE_KEY
from pytest_mcpsym.wire.frame import Message, parse
from pytest_mcpsym.wire.pretty import pretty
from pytest_mcpsym.wire.sensitive import PLACEHOLDER
from pytest_mcpsym.wire.splice import Path

__all__ = [
    "Asked",
    "Difference",
    "Number",
    "answer_differences",
    "asked",
    "closest",
    "differences",
    "distance",
    "key",
    "meaning",
    "path_text",
    "request_differences",
    "value_text",
]

_VOLATILE: Final = frozenset([
    "progressToken",
    *TRACE_KEYS,
    BUDGET_KEY,
    CAUSE_KEY,
    USAGE_KEY,
    "io.modelcontextprotocol/clientInfo",
])  # fmt: skip  # one line for each reads as the list that it is
_STATES: Final = ("requestState", "continuation")


@dataclass(frozen=True, slots=True)
class Number:
    """A number of JSON, equal to every other spelling of the same number.

    Attributes:
        value: The number in the one form that equal numbers share.
        text: How it was spelled.
    """

    value: str
    text: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request means.

    Attributes:
        method: Its method.
        target: Name, URI or reference that it is about; empty where there is none.
        params: Its params without what is volatile, with numbers as `Number`; an empty dict where there are none.
        states: What the server had made up, by member name: `requestState`, `continuation`.
        key: Text that two requests share exactly when they mean the same.
        placeholders: Placeholders of secrets, in the order in which they stand in the key.
    """

    method: str
    target: str
    params: object = field(hash=False)
    states: Mapping[str, str] = field(hash=False)
    key: str
    placeholders: tuple[str, ...]

    @property
    def label(self) -> str:
        """Method and target, as in `tools/call forecast`."""
        return f"{self.method} {self.target}".rstrip()

    @property
    def shown(self) -> str:
        """What else it asks, as JSON for people; empty where there is nothing else."""
        params = self.params
        if not isinstance(params, dict):
            return value_text(params)
        members = cast("dict[str, object]", params)
        if "arguments" in members and self.method in ("tools/call", "prompts/get"):
            return value_text(members["arguments"])
        rest = {name: value for name, value in members.items() if name != "_meta" and value != self.target}
        return value_text(rest) if rest else ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two messages part.

    Attributes:
        path: Where, from the message down.
        recorded: JSON text of what was recorded there, `None` if nothing was.
        sent: JSON text of what was sent there, `None` if nothing was.
    """

    path: Path
    recorded: str | None
    sent: str | None


def asked(data: bytes, message: Message | None = None) -> Asked:
    """Return what a request or notification means; `message` is what the data holds, where it was parsed before.

    Raises:
        ValueError: The data is neither; the message says why.
    """
    message = message or parse(data)
    if message.kind not in ("request", "notification"):
        raise ValueError(message.reason or f"a request or a notification was expected, this is {message.kind}")
    method = str(message.method)
    params = cast("dict[str, object]", meaning(data)).get("params", {})
    states: dict[str, str] = {}
    if isinstance(params, dict):
        members = _without_volatile(cast("dict[str, object]", params))
        states = {name: state for name in _STATES if isinstance(state := members.get(name), str)}
        params = {**members, **{name: f"<{name}>" for name in states}}
        if method == "initialize":
            params.pop("clientInfo", None)
    text = _spelled([method, params], canonical=True)
    erased, found = PLACEHOLDER.sub(_erased, text), PLACEHOLDER.findall(text)
    return Asked(method, _target(params), cast("object", params), states, erased, tuple(found))


def key(data: bytes) -> str:
    """Return the text that two requests share exactly when they mean the same.

    Raises:
        ValueError: The data is neither a request nor a notification.
    """
    return asked(data).key


def _without_volatile(members: dict[str, object]) -> dict[str, object]:
    """Return the members with a `_meta` that holds only what means something."""
    meta = members.get("_meta")
    if not isinstance(meta, dict):
        return members
    kept = {name: value for name, value in cast("dict[str, object]", meta).items() if name not in _VOLATILE}
    return {name: kept if name == "_meta" else value for name, value in members.items() if name != "_meta" or kept}


def _target(params: object) -> str:
    members = cast("dict[str, object]", params) if isinstance(params, dict) else {}
    ref = members.get("ref")
    inner = cast("dict[str, object]", ref) if isinstance(ref, dict) else {}
    candidates = (members.get("name"), members.get("uri"), inner.get("name"), inner.get("uri"))
    return next((one for one in candidates if isinstance(one, str)), "")


# --- values


def meaning(data: bytes) -> object:
    """Parse JSON with its numbers as `Number`; of duplicate keys the last one counts.

    Raises:
        ValueError: The data is no JSON, or nested too deeply to parse.
    """
    try:
        return cast("object", _DECODER.decode(data.decode("utf-8")))
    except RecursionError:
        raise ValueError("nested too deeply to parse") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_NUMBER: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([-+]?[0-9]+))?")
_EXPONENT_DIGITS: Final = 4_000
"""Below the interpreter's own limit for text to int; a longer exponent is compared as it is spelled."""


def _number(text: str) -> Number:
    found = _NUMBER.fullmatch(text)
    sign, whole, fraction, exponent = found.groups("") if found else ("", text, "", "")
    if len(exponent) > _EXPONENT_DIGITS:
        return Number(text, text)
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return Number("0", text)
    power = int(exponent or 0) - len(fraction) + len(digits) - len(significant)
    return Number(f"{sign}{significant}e{power}", text)


_DECODER: Final = json.JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_refuse_constant)
"""`json.loads` would make one anew for each message."""


def _spelled(value: object, *, canonical: bool) -> str:
    """Write a value as JSON; where canonical, equal values become equal texts."""
    parts: list[str] = []
    # A tuple is text that is written as it is; no value of JSON is one.
    stack: list[object] = [value]
    while stack:
        top = stack.pop()
        if isinstance(top, tuple):
            parts.append(str(cast("tuple[object, ...]", top)[0]))
        elif isinstance(top, str):
            parts.append(_quoted(top))
        elif isinstance(top, Number):
            parts.append(top.value if canonical else top.text)
        elif isinstance(top, dict):
            members = cast("dict[str, object]", top)
            stack.append(("}",))
            names = sorted(members, reverse=True) if canonical else list(members)[::-1]
            for name in names:
                stack += (members[name], (f"{_quoted(name)}:",), (",",))
            if names:
                stack.pop()
            parts.append("{")
        elif isinstance(top, list):
            stack.append(("]",))
            for element in reversed(cast("list[object]", top)):
                stack += (element, (",",))
            if top:
                stack.pop()
            parts.append("[")
        else:
            parts.append(json.dumps(top))
    return "".join(parts)


def _erased(placeholder: re.Match[str]) -> str:
    return placeholder[0].rpartition(":")[0] + ":*>"


def value_text(value: object) -> str:
    """Write a value on one line as people do: `{"city": "Oslo", "days": 5}`."""
    return pretty(_spelled(value, canonical=False).encode(), width=1_000_000_000)


def path_text(path: Path) -> str:
    """Write a path as people do: `params.arguments.days`, `result.content[0]["odd key"]`."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif re.fullmatch(r"[A-Za-z_][\w-]*", step, re.ASCII):
            parts.append(f".{step}")
        else:
            parts.append(f"[{value_text(step)}]")
    return "".join(parts).removeprefix(".")


# --- differences


def differences(recorded: object, sent: object, path: Path = (), *, exact: bool = False) -> tuple[Difference, ...]:
    """Return where two values part, in the order of the recorded one; what was only sent follows at its level.

    A member or element that only one has is one difference, and so is a value of another kind. Elements are compared by index.

    Args:
        recorded: A value as `meaning` gives it.
        sent: The other.
        path: Where the values stand.
        exact: Take placeholders of secrets that differ in their number only for different.
    """
    found: list[Difference] = []
    stack: list[tuple[Path, object, object]] = [(path, recorded, sent)]
    while stack:
        here, left, right = stack.pop()
        if isinstance(left, dict) and isinstance(right, dict):
            members, others = cast("dict[str, object]", left), cast("dict[str, object]", right)
            names = [*members, *(name for name in others if name not in members)]
            stack += [((*here, name), members.get(name, _ABSENT), others.get(name, _ABSENT)) for name in reversed(names)]
        elif isinstance(left, list) and isinstance(right, list):
            first, second = cast("list[object]", left), cast("list[object]", right)
            for index in range(max(len(first), len(second)) - 1, -1, -1):
                one, other = (items[index] if index < len(items) else _ABSENT for items in (first, second))
                stack.append(((*here, index), one, other))
        else:
            mine, theirs = cast("tuple[object, object]", (left, right))
            if not _same(mine, theirs, exact=exact):
                found.append(Difference(here, _shown(mine), _shown(theirs)))
    return tuple(found)


class _Absent:
    """Stands where one of two values has nothing."""


_ABSENT: Final = _Absent()


def _same(left: object, right: object, *, exact: bool) -> bool:
    if isinstance(left, str) and isinstance(right, str) and not exact:
        return left == right or PLACEHOLDER.sub(_erased, left) == PLACEHOLDER.sub(_erased, right)
    return left == right


def _shown(value: object) -> str | None:
    return None if isinstance(value, _Absent) else value_text(value)


def request_differences(recorded: Asked, sent: Asked, *, exact: bool = False) -> tuple[Difference, ...]:
    """Return where two requests part: method first, then params."""
    one, other = ({"method": request.method, "params": request.params} for request in (recorded, sent))
    return differences(one, other, exact=exact)


def answer_differences(recorded: bytes, sent: bytes) -> tuple[Difference, ...]:
    """Return where two answers to one request part, without their ids and what is volatile in `_meta`.

    Raises:
        ValueError: One of them is no JSON.
    """
    one, other = (_answer(data) for data in (recorded, sent))
    return differences(one, other)


def _answer(data: bytes) -> object:
    value = meaning(data)
    if not isinstance(value, dict):
        return value
    members = {name: member for name, member in cast("dict[str, object]", value).items() if name not in ("id", "jsonrpc")}
    result = members.get("result")
    if isinstance(result, dict):
        members["result"] = _without_volatile(cast("dict[str, object]", result))
    return members


def distance(recorded: Asked, sent: Asked) -> tuple[int, int, int]:
    """Return how far two requests are apart: whether methods differ, whether targets differ, and in how many places they part."""
    fields = 0 if recorded.key == sent.key else len(request_differences(recorded, sent))
    return int(recorded.method != sent.method), int(recorded.target != sent.target), fields


def closest(sent: Asked, recorded: Sequence[Asked]) -> int | None:
    """Return the index of the nearest request with the same method, the first of several; `None` if none has it."""
    rivals = [(distance(one, sent), index) for index, one in enumerate(recorded) if one.method == sent.method]
    return min(rivals)[1] if rivals else None

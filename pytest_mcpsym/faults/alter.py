"""What faults make of the bytes of one message, and how that is told. Pure; pinned by `tests/faults/test_alter.py`."""

from __future__ import annotations

import json
import re
from random import Random

from pytest_mcpsym.faults.fault import Fault
from pytest_mcpsym.faults.seen import Seen
from pytest_mcpsym.wire.frame import parse
from pytest_mcpsym.wire.splice import splice

__all__ = ["STRANGER", "altered", "injected", "told", "touches"]

STRANGER = "fault-of-a-link"
"""What is made up has this in its id, method or token."""

_SHOWN = 8
"""Bytes that were replaced of which it is told."""


def touches(fault: Fault, seen: Seen) -> bool:
    """Say whether a message has what the fault is done to."""
    message = seen.message
    match fault.kind:
        case "id-type":
            return message.id is not None
        case "id-reused":
            return message.id is not None and parse(seen.before).id not in (None, message.id)
        case "wrong-token":
            return message.method == "notifications/progress" or "progressToken" in message.meta
        case "late-progress":
            return seen.sort == "answer" and seen.token is not None
        case _:
            return True


def altered(fault: Fault, seen: Seen, data: bytes, random: Random) -> bytes:
    """Return a message as a fault leaves it.

    Args:
        fault: The fault.
        seen: The message as it was sent.
        data: The same, as the faults before left it.
        random: Decides what is left to chance.
    """
    message = parse(data)
    match fault.kind:
        case "truncate":
            return data[: int(len(data) * fault.number("keep"))]
        case "corrupt":
            return _corrupted(data, int(fault.number("count")), random)
        case "id-type" if message.id is not None:
            return splice(data, {("id",): _other_type(json.loads(message.id))})
        case "id-reused" if message.id is not None and (earlier := parse(seen.before).id) is not None:
            return splice(data, {("id",): earlier.encode()})
        case "wrong-token" if message.method == "notifications/progress":
            return splice(data, {("params", "progressToken"): json.dumps(STRANGER).encode()})
        case "wrong-token" if "progressToken" in message.meta:
            return splice(data, {("params", "_meta", "progressToken"): json.dumps(STRANGER).encode()})
        case _:
            return data


def injected(fault: Fault, number: int, token: object) -> bytes | None:
    """Return the message that a fault makes up, if it makes one up.

    Args:
        fault: The fault.
        number: How many were made up before.
        token: The progress token of the request that the message answers, if it has one.
    """
    made: dict[str, object]
    match fault.kind:
        case "unknown-notification":
            made = {"method": f"notifications/{STRANGER}"}
        case "unsolicited-request":
            made = {"id": f"{STRANGER}-{number}", "method": "ping"}
        case "late-progress":
            made = {"method": "notifications/progress", "params": {"progressToken": token, "progress": 1_000_000}}
        case _:
            return None
    return json.dumps({"jsonrpc": "2.0", **made}, separators=(",", ":")).encode()


def told(fault: Fault, before: bytes, after: bytes) -> str:
    """Say in a few words what a fault did.

    Args:
        fault: The fault.
        before: The message as the fault met it.
        after: The message as it left it, or what it made up.
    """
    match fault.kind:
        case "slow":
            return f"takes {len(before) / fault.number('rate'):.3g} s to cross"
        case "truncate":
            return f"only the first {len(after)} of {len(before)} bytes come"
        case "corrupt":
            return _replaced(before, after)
        case "id-type" | "id-reused":
            return f"has the id {parse(after).id}"
        case "wrong-token":
            return f"has the progress token {STRANGER!r}"
        case "unknown-notification" | "unsolicited-request" | "late-progress":
            return f"after it comes {after.decode()}"
        case _:
            return fault.about.did.format(**{name: fault.value(name) for name in fault.about.options})


def _replaced(before: bytes, after: bytes) -> str:
    places = [place for place, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return "replaced " + ", ".join(f"byte {place} by 0x{after[place]:02x}" for place in places[:_SHOWN]) + more


def _corrupted(data: bytes, count: int, random: Random) -> bytes:
    """Replace bytes by control characters, which stand nowhere in JSON."""
    changed = bytearray(data)
    for place in random.sample(range(len(data)), min(count, len(data))):
        changed[place] = random.randint(0x01, 0x08)
    return bytes(changed)


def _other_type(ident: object) -> bytes:
    """The same id as a text, if it is a number, and as a number, if it is a text."""
    if not isinstance(ident, str):
        return json.dumps(str(ident)).encode()
    digits = re.search(r"\d+$", ident)
    return digits[0].lstrip("0").encode() or b"0" if digits else b"0"

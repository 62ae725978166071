"""What faults make of the bytes of one message. Pure; pinned by `tests/faults/test_alter.py`."""

from __future__ import annotations

import json
import re
from random import Random

from pytest_mcpsym.faults.fault import Fault
from pytest_mcpsym.wire.frame import parse
from pytest_mcpsym.wire.splice import splice

__all__ = ["altered", "injected"]

STRANGER = "fault-of-a-link"
"""What is made up has this in its id, method or token."""


def altered(fault: Fault, data: bytes, random: Random, before: bytes = b"") -> bytes:
    """Return a message as a fault leaves it; the same bytes where there is nothing that the fault could be done to.

    Args:
        fault: The fault.
        data: The message.
        random: Decides what is left to chance.
        before: The request or answer before it in its direction.
    """
    message = parse(data)
    match fault.kind:
        case "truncate":
            return data[: int(len(data) * fault.number("keep"))]
        case "corrupt":
            return _corrupted(data, int(fault.number("count")), random)
        case "id-type" if message.id is not None:
            return splice(data, {("id",): _other_type(json.loads(message.id))})
        case "id-reused" if message.id is not None and (earlier := parse(before).id) is not None:
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
        case "late-progress" if token is not None:
            made = {"method": "notifications/progress", "params": {"progressToken": token, "progress": 1_000_000}}
        case _:
            return None
    return json.dumps({"jsonrpc": "2.0", **made}, separators=(",", ":")).encode()


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

"""Where the logs of two servers part, prose and what differs from run to run aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import cast

from pytest_mcpsym.wire.match import differences, meaning, path_text
from tests.peers.provision import npm_peer
from tests.peers.raw import Answers, Step, conversation

__all__ = ["Talk", "parted", "talked"]

PROSE = frozenset(["description", "instructions", "text", "data", "blob", "title", "statusMessage", "systemPrompt"])
"""Members whose text is for people. A title is prose only where it is beside the value that it names."""

MADE_UP = frozenset(["taskId", "elicitationId", "nextCursor"])
"""Members with an id that a server makes up: the first is compared with the first, and so on."""

TIMES = frozenset(["createdAt", "lastUpdatedAt"])

GZIPPED = frozenset(["demo://resource/session/a.gz", "demo://resource/session/b c.gz"])
"""Whose bytes have to be equal."""


@dataclass(frozen=True, slots=True)
class Talk:
    """What a client says, and how it answers."""

    steps: Sequence[Step]
    answers: Answers = field(default_factory=dict[str, list[dict[str, object]]])


def talked(package: str, mine: list[str], talks: Mapping[str, Talk]) -> dict[str, list[str]]:
    """Have each conversation with the reference and with ours, all side by side, and return where they part."""
    commands = (npm_peer(package, "stdio"), mine)
    with ThreadPoolExecutor(2 * len(talks)) as pool:
        held = {
            name: [pool.submit(conversation, command, talk.steps, talk.answers) for command in commands]
            for name, talk in talks.items()
        }
        return {name: parted(theirs.result(), ours.result()) for name, (theirs, ours) in held.items()}


def parted(theirs: list[bytes], mine: list[bytes]) -> list[str]:
    """Where two logs part, as JSON paths from the number of the message down."""
    one, other = (_comparable(log) for log in (theirs, mine))
    return [f"{path_text(found.path)}: {found.recorded} / {found.sent}" for found in differences(one, other)]


def _comparable(log: list[bytes]) -> list[object]:
    names: dict[str, str] = {}
    return [_without_prose(meaning(line), names) for line in log]


def _without_prose(message: object, names: dict[str, str]) -> object:
    """Replace what is said to people by a mark of its own, and ids by the order in which they came."""
    if isinstance(message, list):
        return [_without_prose(item, names) for item in cast("list[object]", message)]
    if not isinstance(message, dict):
        return message
    members = cast("dict[str, object]", message)
    if "code" in members and "message" in members:
        return {**_members(members, names), "message": "<prose>"}
    return members if members.get("uri") in GZIPPED else _members(members, names)


def _members(members: Mapping[str, object], names: dict[str, str]) -> dict[str, object]:
    prose = PROSE - {"title"}
    if "const" in members:
        prose = PROSE
    if "requestedSchema" in members or "url" in members:
        prose = prose | {"message"}
    return {
        name: "<prose>" if name in prose and isinstance(value, str) else _member(name, value, names)
        for name, value in members.items()
    }


def _member(name: str, value: object, names: dict[str, str]) -> object:
    if isinstance(value, str):
        if name in MADE_UP:
            return names.setdefault(value, f"<{name} {len(names)}>")
        if name in TIMES:
            return "<time>"
    return _without_prose(value, names)

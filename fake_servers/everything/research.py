"""The tool `simulate-research-query`: a task in four stages, which may ask the client what was meant.

Pinned as `tasks.py` is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import anyio

from .plain import text
from .session import PATIENCE, Context, session_of
from .task_methods import move
from .tasks import Asked, Task

__all__ = ["RESEARCH", "STAGES", "begin_research"]

RESEARCH: Final = "simulate-research-query"
"""The tool's name."""

STAGES: Final = ("Looking for sources", "Reading them", "Bringing it together", "Writing it up")
"""What the task says of each stage."""

_ASKING_STAGE: Final = 2

_GONE: Final = (anyio.ClosedResourceError, anyio.BrokenResourceError)

_MEANINGS: Final = {
    "python": {"programming": "The programming language", "snake": "The snake", "comedy": "The comedians"},
    "": {"technical": "In its technical sense", "historical": "In its history", "current": "In the news"},
}
"""Which meanings a topic may have, by a word in it."""


async def begin_research(context: Context, arguments: Mapping[str, object], pace: float) -> dict[str, object]:
    """Begin a task and return what answers the call.

    Args:
        context: The call's.
        arguments: Its arguments, which fit.
        pace: Seconds that a stage takes.
    """
    topic = cast("str", arguments["topic"])
    can = context.session.client_capabilities
    may_ask = bool(arguments["ambiguous"]) and can is not None and can.elicitation is not None
    task = session_of(context).tasks.begin(round(pace * 1000))
    await move(context, task, "working", f"{STAGES[0]} ...")
    shown = task.wire()

    async def go_on() -> None:
        with task.scope:
            try:
                await _research(context, task, topic, may_ask=may_ask, pace=pace)
            except _GONE:  # the client has left
                return

    context.lifespan_context.tasks.start_soon(go_on)
    return {"task": shown}


async def _research(context: Context, task: Task, topic: str, *, may_ask: bool, pace: float) -> None:
    meant: str | None = None
    for number, stage in enumerate(STAGES):
        if number:
            await move(context, task, "working", f"{stage} ...")
        if number == _ASKING_STAGE and may_ask:
            meant = await _clarify(context, task, topic)
            await move(context, task, "working", f"Going on with: {meant} ...")
        await anyio.sleep(pace)
    task.result = {"content": [text(_report(topic, meant))]}
    await move(context, task, "completed")


async def _clarify(context: Context, task: Task, topic: str) -> str:
    await move(context, task, "input_required", f"{topic!r} may mean several things; the client is asked which.")
    await move(context, task, "input_required")
    asked = Asked(next(session_of(context).ids), "elicitation/create", _question(topic))
    task.ask(asked)
    with anyio.move_on_after(PATIENCE):
        await asked.done.wait()
    answer = asked.answer or {}
    content = answer.get("content")
    match answer.get("action"), content:
        case "accept", dict():
            return str(cast("dict[str, object]", content).get("interpretation") or "accepted with nothing chosen")
        case "decline", _:
            return "the usual meaning, since the user declined"
        case "cancel" | "accept", _:
            return "the usual meaning, since the user did not say"
        case _:
            return "the technical meaning, since the client could not be asked"


def _question(topic: str) -> dict[str, object]:
    word = next(word for word in _MEANINGS if word in topic.lower())
    field = {
        "type": "string",
        "title": "Clarification",
        "description": "Which meaning of the topic is it?",
        "oneOf": [{"const": const, "title": title} for const, title in _MEANINGS[word].items()],
    }
    return {
        "message": f"The topic {topic!r} may mean several things. Which is it?",
        "requestedSchema": {"type": "object", "properties": {"interpretation": field}, "required": ["interpretation"]},
    }


def _report(topic: str, meant: str | None) -> str:
    steps = "\n".join(f"- {stage}: done" for stage in STAGES)
    asked = "" if meant is None else f"\nThe client was asked what was meant, and the task went on with: {meant}.\n"
    return (
        f"# On {topic}\n\nA made-up report, in {len(STAGES)} stages:\n{steps}\n{asked}\n"
        "It was a task: the call was answered at once, `tasks/get` told its status, and `tasks/result` gave this.\n"
    )

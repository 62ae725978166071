"""The tools that let the client do something as a task of its own: the server begins it, looks at it and fetches its result.

Pinned as `tasks.py` is.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

import anyio

from .plain import Call, Doing, Failed, text
from .session import Context, ask

__all__ = ["client_tasks"]

_LOOKS: Final = {"sampling/createMessage": 60, "elicitation/create": 600}
"""How often the server looks at a task before it gives up."""

_TTL: Final = {"sampling/createMessage": 300_000, "elicitation/create": 600_000}
"""Milliseconds for which the client is to keep the task."""

_FORM: Final[dict[str, object]] = {
    "type": "object",
    "properties": {
        "name": {"title": "Your Name", "type": "string", "description": "What you are called"},
        "favoriteColor": {
            "title": "Favorite Color",
            "type": "string",
            "description": "Which colour you like best",
            "enum": ["Red", "Blue", "Green", "Yellow", "Purple"],
        },
        "agreeToTerms": {"title": "Terms Agreement", "type": "boolean", "description": "Whether you agree"},
    },
    "required": ["name"],
}


def client_tasks(pace: float) -> dict[str, Doing]:
    """Return what each of the tools does, by its name.

    Args:
        pace: Seconds from one look at the client's task to the next.
    """

    async def sample(call: Call) -> dict[str, object]:
        question = {"type": "text", "text": f"Resource trigger-sampling-request-async context: {call.text('prompt')}"}
        params: dict[str, object] = {
            "messages": [{"role": "user", "content": question}],
            "systemPrompt": "You are a model in a test.",
            "maxTokens": call.arguments["maxTokens"],
            "temperature": 0.7,
        }
        return await _Theirs(call.context, "sampling/createMessage", pace).run(params, ("role", "model"), _told_whole)

    async def elicit(call: Call) -> dict[str, object]:
        params: dict[str, object] = {"message": "Please fill in this form, as a task:", "requestedSchema": _FORM}
        return await _Theirs(call.context, "elicitation/create", pace).run(params, ("action",), _told_form)

    return {"trigger-sampling-request-async": sample, "trigger-elicitation-request-async": elicit}


Told = Callable[[Mapping[str, object], str], list[str]]


@dataclass(slots=True)
class _Theirs:
    """One request that the client may carry out as a task."""

    context: Context
    method: str
    pace: float
    looks: list[str] = field(default_factory=list[str])

    async def run(self, params: dict[str, object], direct: tuple[str, ...], told: Told) -> dict[str, object]:
        """Ask, look until it is done, and return what the tool says.

        Args:
            params: Parameters of the request.
            direct: Members of text that an answer has which is no task.
            told: What is said of a result.
        """
        answer = await self._send(self.method, {**params, "task": {"ttl": _TTL[self.method]}})
        task = answer.get("task")
        if not isinstance(task, dict):
            if not all(isinstance(answer.get(name), str) for name in direct):
                raise Failed("the client answered with neither a task nor a result")
            return _said(f"The client answered at once:\n{_json(answer)}")
        begun = cast("dict[str, object]", task)
        name = _string(begun, "taskId")
        self.looks.append(f"The task is {name}")
        status, why = await self._watch(name, _string(begun, "status"))
        history = "\n".join(self.looks)
        if status != "completed":
            return _said(f"The task is {status}: {why or 'nothing is said of it'}\n\n{history}")
        result = await self._send("tasks/result", {"taskId": name})
        return _said(*told(result, history))

    async def _watch(self, name: str, status: str) -> tuple[str, str | None]:
        why: str | None = None
        for number in range(1, _LOOKS[self.method] + 1):
            if status in ("completed", "failed", "cancelled"):
                return status, why
            await anyio.sleep(self.pace)
            found = await self._send("tasks/get", {"taskId": name})
            status = _string(found, "status")
            why = _string(found, "statusMessage") if "statusMessage" in found else None
            self.looks.append(f"Look {number}: {status}" + (f", {why}" if why else ""))
        return "given up", f"it was still {status} after {_LOOKS[self.method]} looks"

    def _send(self, method: str, params: dict[str, object]) -> Awaitable[dict[str, object]]:
        return ask(self.context, method, params)


def _string(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise Failed(f"the client's task has no text at {name}")
    return value


def _told_whole(result: Mapping[str, object], history: str) -> list[str]:
    return [f"The client has done it.\n{history}\n\n{_json(result)}"]


def _told_form(result: Mapping[str, object], history: str) -> list[str]:
    content = result.get("content")
    last = f"{history}\n\nAs it came: {_json(result)}"
    match result.get("action"), content:
        case "accept", dict():
            given = [f"- {name}: {value}" for name, value in cast("dict[str, object]", content).items()]
            return ["The form was filled in.", "\n".join(["It says:", *given]), last]
        case "decline" | "cancel" as action, _:
            return [f"The user chose to {action}.", last]
        case _:
            return [last]


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _said(*blocks: str) -> dict[str, object]:
    return {"content": [text(block) for block in blocks]}

"""One call of a tool or prompt, and how it asks its client: by requests in the handshake era, by `input_required` in the modern one.

A tool is written straight on, with an `await` for each question. In the modern era it is begun anew with every round, and what
earlier rounds were answered comes back out of `requestState`, which the SDK seals on its way out and refuses if it was changed.
An answer that is missing, or does not fit what was asked, is asked for again. Pinned by `tests/fakes/test_conformance.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp.shared.message import ServerMessageMetadata
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CreateMessageRequest,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    LoggingLevel,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

__all__ = ["Answer", "Context", "Failed", "Question", "Run", "Session", "Turn", "Unanswered", "is_modern", "misfit"]

Question = CreateMessageRequest | ElicitRequest | ListRootsRequest
Answer = CreateMessageResult | ElicitResult | ListRootsResult

_KINDS: dict[type[Question], tuple[str, type[Answer]]] = {
    CreateMessageRequest: ("sampling", CreateMessageResult),
    ElicitRequest: ("elicitation", ElicitResult),
    ListRootsRequest: ("roots", ListRootsResult),
}
"""The capability that a client needs for each question, and what it answers."""


@dataclass(slots=True)
class Session:
    """What is remembered of one session of the handshake era."""

    level: LoggingLevel = "debug"
    subscribed: set[str] = field(default_factory=set[str])


@dataclass(slots=True)
class Run:
    """One run of the server: its sessions, and who listens to what changes."""

    bus: InMemorySubscriptionBus
    sessions: dict[str | None, Session] = field(default_factory=dict["str | None", Session])


Context = ServerRequestContext[Run]


class Failed(Exception):
    """The tool ends in an error result that says this."""


class Unanswered(Exception):
    """The client has to answer first: the modern era's way to ask."""

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__("the client has to answer first")
        self.result = result


def is_modern(context: Context) -> bool:
    """Whether a request is of the modern era."""
    return context.protocol_version in MODERN_PROTOCOL_VERSIONS


def misfit(schema: Mapping[str, object], given: Mapping[str, object]) -> str | None:
    """Say why what was given does not fit a schema, or None where it does."""
    from jsonschema import ValidationError as Misfit  # 0.2 s that whoever imports another fake need not spend
    from jsonschema import validate

    try:
        validate(given, schema)
    except Misfit as error:
        return error.message
    return None


class Turn:
    """One call, with its arguments and the answers that came with it."""

    def __init__(self, context: Context, arguments: Mapping[str, object], state: str | None) -> None:
        self.context = context
        self.arguments = arguments
        self.modern = is_modern(context)
        self._given: Mapping[str, object] = (context.params or {}).get("inputResponses") or {}
        self._rounds = _rounds(state)
        self._round = 0

    async def ask(self, questions: Mapping[str, Question]) -> dict[str, Answer]:
        """Ask the client, all at once where its era can.

        Raises:
            Unanswered: It has not answered yet, or not all of it.
            Failed: Its answer does not fit (handshake era).
            MCPError: It does not take such questions.
        """
        if not self.modern:
            return {key: await self._request(question) for key, question in questions.items()}
        self._check_capabilities(questions)
        again = self._round < len(self._rounds)
        given = self._rounds[self._round] if again else self._given
        answers = {key: answer for key, question in questions.items() if (answer := _fitting(question, given.get(key)))}
        if len(answers) < len(questions):
            earlier = json.dumps(self._rounds[: self._round])
            raise Unanswered(InputRequiredResult(input_requests=dict(questions), request_state=earlier))
        if not again:
            self._rounds.append({key: given[key] for key in questions})
            self._given = {}
        self._round += 1
        return answers

    async def _request(self, question: Question) -> Answer:
        related = ServerMessageMetadata(related_request_id=self.context.request_id)
        _, kind = _KINDS[type(question)]
        answer = await self.context.session.send_request(question, kind, metadata=related)
        if not _fits(question, answer):
            raise Failed("the answer does not fit the form")
        return answer

    def _check_capabilities(self, questions: Mapping[str, Question]) -> None:
        announced = self.context.session.client_capabilities
        needed = {_KINDS[type(question)][0] for question in questions.values()}
        missing = sorted(each for each in needed if getattr(announced, each, None) is None)
        if missing:
            data: dict[str, object] = {"requiredCapabilities": {each: {} for each in missing}}
            said = f"this needs a client with {' and '.join(missing)}"
            raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, said, data)


def _rounds(state: str | None) -> list[Mapping[str, object]]:
    """Read what earlier rounds were answered; the seal says that it is ours, not that it is of this tool's shape."""
    if state is None:
        return []
    return cast("list[Mapping[str, object]]", json.loads(state))


def _fitting(question: Question, given: object) -> Answer | None:
    if given is None:
        return None
    _, kind = _KINDS[type(question)]
    try:
        answer = kind.model_validate(given, by_name=False)
    except ValidationError:
        return None
    return answer if _fits(question, answer) else None


def _fits(question: Question, answer: Answer) -> bool:
    if not isinstance(question, ElicitRequest) or not isinstance(answer, ElicitResult) or answer.action != "accept":
        return True
    if not isinstance(question.params, ElicitRequestFormParams):
        return True
    return misfit(question.params.requested_schema, answer.content or {}) is None

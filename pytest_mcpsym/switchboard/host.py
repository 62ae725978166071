"""What the host answers when a server asks it: the model behind sampling, the user behind elicitation, the roots.

All three are scripted by the test and answer deterministically; what was not scripted is refused with a sentence that says how.
Pinned by `tests/switchboard/test_host.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Final, Generic, TypeVar, cast

from mcp.client.session import ClientRequestContext
from mcp_types import (
    INVALID_REQUEST,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    CreateMessageResultWithTools,
    ElicitRequest,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    InputRequest,
    ListRootsResult,
    Root,
    TextContent,
)

from pytest_mcpsym.errors import UsageError

__all__ = ["Host", "Model", "Scripted", "User"]

_ACTIONS: Final = ("accept", "decline", "cancel")

_Asked = TypeVar("_Asked")
_Given = TypeVar("_Given")

Message = CreateMessageResult | CreateMessageResultWithTools
ModelTurn = str | Message | Callable[[CreateMessageRequestParams], "str | Message | Awaitable[str | Message]"]
_Said = str | dict[str, object] | ElicitResult
UserTurn = _Said | Callable[[ElicitRequestParams], "_Said | Awaitable[_Said]"]


class _Script(Generic[_Asked, _Given]):
    """Turns that are taken in order, each once."""

    def __init__(self) -> None:
        self._turns: deque[_Given | Callable[[_Asked], _Given | Awaitable[_Given]]] = deque()

    async def take(self, asked: _Asked) -> _Given | None:
        """Return the next turn, computed from what was asked if it is a plain or async function; `None` when none is left."""
        if not self._turns:
            return None
        turn = self._turns.popleft()
        if not callable(turn):
            return turn
        given = cast("Callable[[_Asked], _Given | Awaitable[_Given]]", turn)(asked)
        return await cast("Awaitable[_Given]", given) if isawaitable(given) else cast("_Given", given)

    def add(self, *turns: _Given | Callable[[_Asked], _Given | Awaitable[_Given]]) -> None:
        self._turns.extend(turns)


class Model:
    """The deterministic model behind sampling. Turns are used in order, whichever server asks."""

    def __init__(self) -> None:
        self._turns = _Script[CreateMessageRequestParams, "str | Message"]()

    def script(self, *turns: ModelTurn) -> None:
        """Add answers to `sampling/createMessage`.

        Args:
            turns: Text, a `CreateMessageResult`, a `CreateMessageResultWithTools`, or a function, plain or async, from the
                request's params to one of these: a real model can sit behind it.

        Example:
            ```python
            board.model.script("4", lambda params: params.messages[-1].content.text.upper())
            ```
        """
        self._turns.add(*turns)

    async def answer(self, params: CreateMessageRequestParams) -> Message | ErrorData:
        """Return the next turn as a result."""
        turn = await self._turns.take(params)
        if turn is None:
            return _unscripted("sampling/createMessage", "board.model.script('an answer')")
        if isinstance(turn, str):
            return CreateMessageResult(
                role="assistant", content=TextContent(type="text", text=turn), model="scripted", stop_reason="endTurn"
            )
        return turn


class User:
    """The deterministic user behind elicitation."""

    def __init__(self) -> None:
        self._turns = _Script[ElicitRequestParams, "str | dict[str, object] | ElicitResult"]()

    def script(self, *turns: UserTurn) -> None:
        """Add answers to `elicitation/create`.

        Args:
            turns: A dict accepts with that content, `"accept"`, `"decline"` and `"cancel"` do that without, an `ElicitResult` is sent as
                it is, a function, plain or async, gets the request's params and returns one of these.

        Raises:
            UsageError: A text is none of the three actions.
        """
        for turn in turns:
            if isinstance(turn, str) and turn not in _ACTIONS:
                raise UsageError(
                    f"{turn!r} is no action; a user says {', '.join(map(repr, _ACTIONS))}, or a dict to accept with content"
                )
        self._turns.add(*turns)

    async def answer(self, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        """Return the next turn as a result."""
        turn = await self._turns.take(params)
        if turn is None:
            return _unscripted("elicitation/create", "board.user.script({'field': 'value'})")
        if isinstance(turn, dict):
            return ElicitResult.model_validate({"action": "accept", "content": turn})
        if isinstance(turn, str):
            return ElicitResult.model_validate({"action": turn})
        return turn


class Host:
    """Everything that a server may ask of the host itself.

    Attributes:
        model: Behind `sampling/createMessage`.
        user: Behind `elicitation/create`.
        roots: Behind `roots/list`: `Root` objects or `file://` URIs; change it freely.
    """

    def __init__(self) -> None:
        self.model = Model()
        self.user = User()
        self.roots: list[str | Root] = []

    async def sample(self, context: ClientRequestContext, params: CreateMessageRequestParams) -> Message | ErrorData:
        """Answer `sampling/createMessage`."""
        return await self.model.answer(params)

    async def elicit(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        """Answer `elicitation/create`."""
        return await self.user.answer(params)

    async def list_roots(self, context: ClientRequestContext) -> ListRootsResult:
        """Answer `roots/list`."""
        return self._roots()

    async def answer(self, request: InputRequest) -> Message | ElicitResult | ListRootsResult | ErrorData:
        """Answer what a modern server asks in the middle of a call (`input_required`)."""
        if isinstance(request, CreateMessageRequest):
            return await self.model.answer(request.params)
        if isinstance(request, ElicitRequest):
            return await self.user.answer(request.params)
        return self._roots()

    def _roots(self) -> ListRootsResult:
        return ListRootsResult.model_validate(
            {"roots": [root if isinstance(root, Root) else {"uri": root} for root in self.roots]}
        )


class Scripted:
    """What a test tells the host to answer: the same on a board and on what opens it."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def model(self) -> Model:
        """The deterministic model behind sampling."""
        return self._host.model

    @property
    def user(self) -> User:
        """The deterministic user behind elicitation."""
        return self._host.user

    @property
    def roots(self) -> list[str | Root]:
        """The roots that servers are told; change the list freely."""
        return self._host.roots


def _unscripted(method: str, remedy: str) -> ErrorData:
    return ErrorData(code=INVALID_REQUEST, message=f"the test scripted no answer to this {method}; add one with {remedy}")

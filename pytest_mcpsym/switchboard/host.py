"""What the host answers when a server asks it: the model behind sampling, the user behind elicitation, the roots.

All three are scripted by the test and answer deterministically; what was not scripted is refused with a sentence that says how.
Pinned by `tests/switchboard/test_host.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from mcp.client.session import ClientRequestContext
from mcp_types import (
    INVALID_REQUEST,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    InputRequest,
    ListRootsResult,
    Root,
)

from pytest_mcpsym.errors import UsageError
from pytest_mcpsym.switchboard.approval import Approvals, Turn
from pytest_mcpsym.switchboard.model import Model
from pytest_mcpsym.switchboard.recalled import Recalled
from pytest_mcpsym.switchboard.rules import Message
from pytest_mcpsym.switchboard.turns import Turns
from pytest_mcpsym.wire.log import WireLog

__all__ = ["Host", "Scripted", "User"]

_ACTIONS: Final = ("accept", "decline", "cancel")

_Said = str | dict[str, object] | ElicitResult
UserTurn = _Said | Callable[[ElicitRequestParams], "_Said | Awaitable[_Said]"]


class User:
    """The deterministic user behind elicitation and approval.

    Attributes:
        approvals: The scripted approvals, which the switchboard asks.
        is_scripted: Whether the test said anything of what the user answers to elicitation.
    """

    def __init__(self) -> None:
        self.approvals = Approvals()
        self.is_scripted = False
        self._turns = Turns[ElicitRequestParams, "str | dict[str, object] | ElicitResult"]()

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
        self.is_scripted = True
        self._turns.add(*turns)

    def approve(self, *turns: Turn | Mapping[str, Turn]) -> None:
        """Say what servers may do where their link has `approve=[...]`; what nobody decided on is refused.

        Args:
            turns: `True` and `False` are used in order, each once; so is a function, plain or async, which gets an `ApprovalRequest`
                (`caller`, `method`, `name`, `arguments`) and returns one of them. A dict from patterns over routed names to these
                decides whatever matches, as often as it is asked, and before the others.

        Raises:
            UsageError: A turn is none of these.

        Example:
            ```python
            board.user.approve({"files__read_*": True, "files__delete_*": False})
            board.user.approve(True, lambda request: request.arguments["amount"] < 100)
            ```
        """
        self.approvals.script(*turns)

    async def answer(self, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        """Return the next turn as a result."""
        turn = await self._turns.take(params)
        if turn is None:
            remedy = "board.user.script({'field': 'value'})"
            message = f"the test scripted no answer to this elicitation/create; add one with {remedy}"
            return ErrorData(code=INVALID_REQUEST, message=message)
        if isinstance(turn, dict):
            return ElicitResult.model_validate({"action": "accept", "content": turn})
        if isinstance(turn, str):
            return ElicitResult.model_validate({"action": turn})
        return turn


class Host:
    """Everything that a server may ask of the host itself.

    Args:
        log: Where what servers ask is logged.

    Attributes:
        model: Behind `sampling/createMessage`.
        user: Behind `elicitation/create`.
        roots: Behind `roots/list`: `Root` objects or `file://` URIs; change it freely.
        recalled: What the host told servers that are replayed; it says so again where the test says nothing.
    """

    def __init__(self, log: WireLog | None = None) -> None:
        self.model = Model(WireLog() if log is None else log)
        self.user = User()
        self.roots: list[str | Root] = []
        self.recalled = Recalled()

    async def sample(self, context: ClientRequestContext | None, params: CreateMessageRequestParams) -> Message | ErrorData:
        """Answer `sampling/createMessage`."""
        known = None if self.model.is_scripted else self.recalled.message(params)
        return await self.model.answer(params) if known is None else known

    async def elicit(self, context: ClientRequestContext | None, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        """Answer `elicitation/create`."""
        known = None if self.user.is_scripted else self.recalled.elicited(params)
        return await self.user.answer(params) if known is None else known

    async def list_roots(self, context: ClientRequestContext) -> ListRootsResult | ErrorData:
        """Answer `roots/list`."""
        return self._roots()

    async def answer(self, request: InputRequest) -> Message | ElicitResult | ListRootsResult | ErrorData:
        """Answer what a modern server asks in the middle of a call (`input_required`)."""
        if isinstance(request, CreateMessageRequest):
            return await self.sample(None, request.params)
        if isinstance(request, ElicitRequest):
            return await self.elicit(None, request.params)
        return self._roots()

    def _roots(self) -> ListRootsResult | ErrorData:
        known = None if self.roots else self.recalled.roots()
        if known is not None:
            return known
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

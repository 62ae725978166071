"""What the host answers when a server asks it: the model behind sampling, the user behind elicitation, the roots.

All three are scripted by the test and answer deterministically; what was not scripted is refused with a sentence that says how.
Pinned by `tests/switchboard/test_host.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from inspect import isawaitable
from typing import Final

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
from pytest_mcpsym.switchboard.approval import Approval, ApprovalRequest, Approvals, Decision
from pytest_mcpsym.switchboard.asker import Asker
from pytest_mcpsym.switchboard.model import Model
from pytest_mcpsym.switchboard.recalled import Recalled
from pytest_mcpsym.switchboard.rules import Message
from pytest_mcpsym.switchboard.turns import Turn, Turns
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.origin import Origin

__all__ = ["Host", "Roots", "Scripted", "User"]

_ACTIONS: Final = ("accept", "decline", "cancel")

_Said = str | dict[str, object] | ElicitResult
UserTurn = Turn[_Said, ElicitRequestParams]
_Root = str | Root
Roots = list[_Root | Callable[[Origin], Iterable[_Root] | Awaitable[Iterable[_Root]]]]
"""`Root` objects, `file://` URIs, and functions, plain or async, that give some of these to whoever asks."""


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
                it is, a function, plain or async, gets the request's params, and with a second parameter its `Origin`, and returns one of
                these.

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

    def approve(self, *turns: Approval | Mapping[str, Approval]) -> None:
        """Say what servers may do where their link has `approve=[...]`; what nobody decided on is refused.

        Args:
            turns: `True` and `False` are used in order, each once; so is a function, plain or async, which gets an `ApprovalRequest`
                (`caller`, `method`, `name`, `arguments`), and with a second parameter its `Origin`, and returns one of them. A dict from patterns over routed names to these
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

    async def answer(self, params: ElicitRequestParams, asker: Asker) -> ElicitResult | ErrorData:
        """Return the next turn as a result."""
        turn = await self._turns.take(params, asker)
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
        roots: Behind `roots/list`; change it freely.
        recalled: What the host told servers that are replayed; it says so again where the test says nothing.
    """

    def __init__(self, log: WireLog | None = None) -> None:
        self.model = Model(WireLog() if log is None else log)
        self.user = User()
        self.roots: Roots = []
        self.recalled = Recalled()

    async def sample(self, params: CreateMessageRequestParams, asker: Asker) -> Message | ErrorData:
        """Answer `sampling/createMessage`."""
        known = None if self.model.is_scripted else self.recalled.message(params, asker)
        return await self.model.answer(params, asker) if known is None else known

    async def elicit(self, params: ElicitRequestParams, asker: Asker) -> ElicitResult | ErrorData:
        """Answer `elicitation/create`."""
        known = None if self.user.is_scripted else self.recalled.elicited(params, asker)
        return await self.user.answer(params, asker) if known is None else known

    async def list_roots(self, asker: Asker) -> ListRootsResult | ErrorData:
        """Answer `roots/list`."""
        known = None if self.roots else self.recalled.roots(asker)
        return await self._roots(asker) if known is None else known

    async def decide(self, request: ApprovalRequest, asker: Asker) -> Decision:
        """Say whether the user approves what a server wants of another.

        Raises:
            UsageError: A function that the test gave returned something else than a bool.
        """
        known = None if self.user.approvals.is_scripted else self.recalled.approval(request)
        return await self.user.approvals.decide(request, asker) if known is None else known

    async def answer(self, request: InputRequest, asker: Asker) -> Message | ElicitResult | ListRootsResult | ErrorData:
        """Answer what a server asks of the host."""
        if isinstance(request, CreateMessageRequest):
            return await self.sample(request.params, asker)
        if isinstance(request, ElicitRequest):
            return await self.elicit(request.params, asker)
        return await self.list_roots(asker)

    async def _roots(self, asker: Asker) -> ListRootsResult:
        roots: list[_Root] = []
        for each in self.roots:
            if isinstance(each, (str, Root)):
                roots.append(each)
            else:
                given = each(asker.origin())
                roots += await given if isawaitable(given) else given
        return ListRootsResult.model_validate({"roots": [root if isinstance(root, Root) else {"uri": root} for root in roots]})


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
    def roots(self) -> Roots:
        """The roots that servers are told; change the list freely.

        A function in it, plain or async, gets the `Origin` of a request for roots and returns those that this server is told:
        `board.roots.append(lambda origin: [f"file:///home/{origin.link}"])`.
        """
        return self._host.roots

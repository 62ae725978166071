"""Whether the user lets one server use another: the consent that a real host would ask for.

`link(..., approve=[...])` names what is asked; `board.user.approve(...)` scripts what is answered. What was asked and decided is a note
of the wire log. Pinned by `tests/switchboard/test_approval.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, cast

from mcp import MCPError

from pytest_mcpsym.errors import UsageError
from pytest_mcpsym.switchboard.asker import Asker
from pytest_mcpsym.switchboard.refusal import refusal
from pytest_mcpsym.switchboard.turns import Turn, given_by

__all__ = ["Approval", "ApprovalRequest", "Approvals", "Decision", "refused"]

Decision = Literal["approved", "refused", "unscripted", "undecided"]
"""`undecided`: the route's time was over first."""


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """What the user is asked to approve.

    Attributes:
        caller: The link whose server wants something.
        method: `tools/call`, `prompts/get` or `resources/read`.
        name: What it wants, as a routed name or URI.
        arguments: The arguments that go with it.
    """

    caller: str
    method: str
    name: str
    arguments: Mapping[str, object]


Approval = Turn[bool, ApprovalRequest]


class Approvals:
    """The answers that the test scripted: by pattern, as often as they are asked for, else in order, each once.

    Attributes:
        is_scripted: Whether the test scripted any, used up or not.
    """

    def __init__(self) -> None:
        self.is_scripted = False
        self._turns: deque[Approval] = deque()
        self._standing: dict[str, Approval] = {}

    def script(self, *turns: Approval | Mapping[str, Approval]) -> None:
        """Add answers; see `User.approve`.

        Raises:
            UsageError: One of them is no answer.
        """
        for turn in turns:
            answers: Iterable[object] = cast("Mapping[str, object]", turn).values() if isinstance(turn, Mapping) else [turn]
            for answer in answers:
                if not isinstance(answer, bool) and not callable(answer):
                    raise UsageError(
                        f"{answer!r} approves nothing and refuses nothing; use True, False, a function that returns one of them, or a "
                        "dict from patterns to these"
                    )
        self.is_scripted = True
        for turn in turns:
            if isinstance(turn, Mapping):
                self._standing.update(cast("Mapping[str, Approval]", turn))
            else:
                self._turns.append(turn)

    async def decide(self, request: ApprovalRequest, asker: Asker) -> Decision:
        """Return what the user says.

        Raises:
            UsageError: A function returned something else than a bool.
        """
        turn = next((turn for pattern, turn in self._standing.items() if fnmatchcase(request.name, pattern)), None)
        if turn is None:
            if not self._turns:
                return "unscripted"
            turn = self._turns.popleft()
        given: object = await given_by(turn, request, asker)
        if given is not True and given is not False:
            raise UsageError(f"the function that decides on {request.name} returned {given!r}; return True or False")
        return "approved" if given else "refused"


def refused(request: ApprovalRequest, decision: Decision) -> MCPError:
    """Return the error with which a server is told that it may not."""
    why = f"the user did not approve {request.method} of {request.name} by {request.caller}"
    if decision == "unscripted":
        why = (
            f"the test scripted no approval of {request.method} of {request.name} by {request.caller}; add one with "
            f"board.user.approve(True) or board.user.approve({{{request.name!r}: True}})"
        )
    return refusal(why, "not-approved")

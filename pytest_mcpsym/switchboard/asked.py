"""What passes between a link and the switchboard: a server's question on the way up, a raw answer on the way down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from mcp import MCPError
from mcp_types import INTERNAL_ERROR, ErrorData

from pytest_mcpsym.switchboard.pending import dumps
from pytest_mcpsym.switchboard.target import Era, LinkSpec
from pytest_mcpsym.switchboard.trail import Trail, Unclear
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.splice import find

__all__ = ["Answer", "Asked", "Asking", "OnProgress", "OnSent", "Requesting", "Serve", "error_member"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a raw request.

    Attributes:
        frame: The frame that brought it.
        member: `result` or `error`.
        value: What that member holds, parsed.
    """

    frame: Frame
    member: Literal["result", "error"]
    value: object

    @property
    def members(self) -> Mapping[str, object]:
        """The members of that value; none where it is no object."""
        value = self.value
        return cast("dict[str, object]", value) if isinstance(value, dict) else {}

    @property
    def body(self) -> bytes:
        """The bytes of that member, as they came."""
        return find(self.frame.data, (self.member,)) or b"{}"

    def result(self) -> bytes:
        """Return the bytes of `result`.

        Raises:
            MCPError: The peer answered with an error.
        """
        self.require_result()
        return self.body

    def require_result(self) -> None:
        """Raise what the peer answered, if that is an error.

        Raises:
            MCPError: It is.
        """
        if self.member == "error":
            raise MCPError.from_error_data(ErrorData.model_validate(self.members))


@dataclass(frozen=True, slots=True)
class Asked:
    """Something that a server asks of its client, in either binding.

    Attributes:
        frame: The mirrored request, or the answer whose leg holds the call.
        method: JSON-RPC method.
        params: The bytes of `params`.
        trail: The route that it goes on with, or why there is none; lists need none.
        in_leg: Whether it is a call of a leg (modern era) rather than a mirrored request (handshake era).
    """

    frame: Frame
    method: str
    params: bytes
    trail: Trail | Unclear
    in_leg: bool = False


OnProgress = Callable[[Frame], Awaitable[None]]
OnSent = Callable[[Frame], None]
"""Told of each frame that was sent on the way."""


class Asking(Protocol):
    """A link, as far as what its server asks is answered.

    Attributes:
        name: The link's name on the board.
        spec: What it is made from; it has the grants.
        era: Its protocol era.
    """

    name: str
    spec: LinkSpec
    era: Era

    async def notify(self, data: bytes) -> None:
        """Send one notification or response as it is."""
        ...


class Requesting(Asking, Protocol):
    """A link, as far as a call is taken through its legs on it."""

    async def request(
        self,
        method: str,
        params: bytes,
        *,
        meta: Mapping[str, object] | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
        on_sent: OnSent | None = None,
        trail: Trail | None = None,
    ) -> Answer:
        """Send one request and wait for its answer."""
        ...

    def purpose(self, ident: str) -> str:
        """Return what was done on purpose to a request, as words behind an error; nothing where nothing was."""
        ...


Serve = Callable[[Asking, Asked], Awaitable[bytes]]
"""Answers what a server asks: (its link, what it asks) → the bytes of the `result` or `error` member. May raise `MCPError`."""


def error_member(error: Exception) -> bytes:
    """Return the `error` member with which a server is told of an exception."""
    if isinstance(error, MCPError):
        return b'"error":' + dumps(error.error.model_dump(mode="json", exclude_none=True))
    return b'"error":' + dumps({"code": INTERNAL_ERROR, "message": f"{type(error).__name__}: {error}"})

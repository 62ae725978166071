"""The errors that users of the harness meet. Each says what, where, what was expected and what to do.

    McpsymError
    ├── UsageError            the call was wrong: nothing was started
    │   ├── TargetError       an object that no link can be made from
    │   ├── LinkNameError     a link name that is malformed, reserved or used twice
    │   └── LoopError         a board used from the wrong loop or thread, or in the wrong kind of test
    ├── LinkError             a link that failed, with the link's name and a machine-readable reason
    │   └── AnswerTimeout     a request that was not answered in time (also a `TimeoutError`)
    ├── FindingsError         unexpected findings at the end of a test
    ├── ReplayError           a test asked a recording for what it does not hold, or left some of it unasked for
    ├── VerifyError           a real server does not answer as its recording does
    └── UnexpectedPrompt      the model was asked what the test gave it no answer to

Pinned by `tests/test_errors.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

__all__ = [
    "AnswerTimeout",
    "FindingsError",
    "LinkError",
    "LinkFailure",
    "LinkNameError",
    "LoopError",
    "McpsymError",
    "ReplayError",
    "TargetError",
    "UnexpectedPrompt",
    "UsageError",
    "VerifyError",
]


class McpsymError(Exception):
    """Base of all errors of this package."""


class UsageError(McpsymError):
    """The harness was called in a way that cannot work; nothing was started."""


class TargetError(UsageError):
    """An object that no link can be made from."""


class LinkNameError(UsageError):
    """A link name that is malformed, reserved or used twice."""


class LoopError(UsageError):
    """A board used from another event loop or thread than the one that opened it, or in the wrong kind of test."""


LinkFailure = Literal["not-found", "not-started", "exited", "not-json", "no-answer", "closed", "http", "failed"]
"""Why a link failed: the command or address does not exist; the server could not be started; its process ended; it answered with
something that is no JSON-RPC; it did not answer in time; the connection was closed; HTTP refused; any other failure."""


class LinkError(McpsymError):
    """A link failed.

    Attributes:
        link: The link's name.
        reason: Machine-readable reason.
        raised: Whether a call has raised it already; what broke in the background and was not is raised when the board closes.
        faults: What was done on purpose and may be the cause: see docs/faults.md.
    """

    def __init__(self, link: str, reason: LinkFailure, message: str) -> None:
        super().__init__(f"link {link!r}: {message}")
        self.link = link
        self.reason: LinkFailure = reason
        self.raised = False
        self.faults: tuple[str, ...] = ()

    def blame(self, faults: Sequence[str]) -> Self:
        """Say, at the end of the first line, what was done on purpose and may be the cause, unless that has been said."""
        if faults and not self.faults:
            self.faults = tuple(faults)
            first, newline, rest = str(self).partition("\n")
            self.args = (f"{first}; done on purpose: {'; '.join(faults)}{newline}{rest}",)
        return self


class AnswerTimeout(LinkError, TimeoutError):
    """A request that its peer did not answer in time. The peer was told of the cancellation.

    Attributes:
        method: JSON-RPC method of the request.
        seconds: How long the answer was waited for.
        frame: `seq` of the request's frame in the wire log; `None` if it could not be written.
        broken: `seq` of a frame that came meanwhile and is no JSON, so that nobody knows what it answers; `None` if there is none.
    """

    def __init__(self, link: str, method: str, seconds: float, frame: int | None, broken: int | None = None) -> None:
        where = f"frame {frame}" if frame is not None else "never written"
        instead = f"; instead came frame {broken}, which is no JSON" if broken is not None else ""
        super().__init__(link, "no-answer", f"{method} ({where}) was not answered within {seconds:g} s{instead}")
        self.method = method
        self.seconds = seconds
        self.frame = frame
        self.broken = broken


class FindingsError(McpsymError):
    """Unexpected findings at the end of a test or, outside pytest, at the close of a board."""


class ReplayError(McpsymError):
    """A test asked a recording for what it does not hold, or left some of it unasked for."""


class VerifyError(McpsymError):
    """A real server does not answer as its recording does."""


class UnexpectedPrompt(McpsymError):
    """The model was asked what the test gave it no answer to. Raised when the board closes, whatever the server made of it."""

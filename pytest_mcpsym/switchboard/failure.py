"""Say in one sentence why a link failed, from what the wire log shows: exit status, ends of stderr, text that is no JSON.

Every text is redacted: it is made for terminals and reports. Pinned by `tests/switchboard/test_failure.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import cast

from mcp import MCPError
from pydantic import ValidationError

from pytest_mcpsym.errors import LinkError, LinkFailure, McpsymError
from pytest_mcpsym.faults.blame import blamed, ended
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.redact import Redactor, Rules, redact

__all__ = ["Obituary", "first_fault", "root_cause"]

_FIRST_LINES = 3
_LAST_LINES = 5
_SHOWN_BYTES = 200
_HTTP_ADDRESS = re.compile(r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):\d+")


def root_cause(error: BaseException) -> BaseException:
    """Return what an exception group is about: the first error of ours in it, else the first of all."""
    leaves = list(_leaves(error))
    return next((leaf for leaf in leaves if isinstance(leaf, McpsymError)), leaves[0])


def first_fault(error: ValidationError) -> str:
    """Return where a message first departs from its schema, and how."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


class Obituary:
    """What is said of one link when it has failed.

    Args:
        link: Name of the link.
        label: One line that names its target.
        log: Where its frames and side channels are.
        rules: What is secret on the board.
    """

    def __init__(self, link: str, label: str, log: WireLog, rules: Rules) -> None:
        self._link = link
        self._label = label
        self._log = log
        self._rules = rules

    def explain(self, error: BaseException) -> LinkError:
        """Return the `LinkError` for whatever ended the link."""
        cause = root_cause(error)
        if isinstance(cause, LinkError):
            cause.args = (Redactor(self._rules).text(str(cause)),)
            return cause
        if isinstance(cause, McpsymError):
            said = str(cause)
        elif isinstance(cause, MCPError):
            said = f"{self._label} answered with an error: {cause.message} ({cause.code})"
        elif isinstance(cause, ValidationError):
            said = f"{self._label} does not speak as the protocol says: {first_fault(cause)}"
        else:
            said = f"{self._label}: {type(cause).__name__}: {cause}"
        return self._error("failed", said + self._evidence())

    def refused(self, message: str) -> LinkError:
        """Return the `LinkError` for a peer whose HTTP answer to the first request was none."""
        return self._error("http", f"{self._label}: {message}; {_advice(message, self._label)}{self._evidence()}")

    def silent(self, seconds: float) -> LinkError:
        """Return the `LinkError` for a peer that did not answer the first request in time."""
        what = f"{self._label} did not answer the first request within {seconds:g} s"
        return self._error("no-answer", f"{what}; {self._guess()}{self._evidence()}")

    def one_era(self, spoken: str) -> LinkError:
        """Return the `LinkError` for a peer that does not speak the modern era."""
        what = f"{self._label} speaks only the handshake era ({spoken}) and era='modern' was asked for"
        return self._error("failed", f"{what}; use era={{{self._link!r}: 'handshake'}}")

    def lost(self, *, modern: bool = False) -> LinkError:
        """Return the `LinkError` for a peer that closed the connection by itself; a server may so refuse the `modern` era."""
        notes = [note for note in self._log.notes if note.link == self._link]
        exits = [note.data.get("status") for note in notes if note.channel == "exit"]
        failures = [str(note.data.get("reason")) for note in notes if note.channel == "failure"]
        answered = any(
            frame.direction == "to-client" and frame.message.kind in ("result", "error") for frame in self._log.on(self._link)
        )
        when = "" if answered else " before it answered the first request"
        what = f"ended with exit status {exits[-1]}" if exits else "closed the connection"
        because = f": {failures[-1]}" if failures else ""
        advice = f"; if it speaks only the handshake era, use era={{{self._link!r}: 'handshake'}}" if when and modern else ""
        return self._error("exited" if exits else "closed", f"{self._label} {what}{when}{because}{advice}{self._evidence()}")

    def blame(self, error: LinkError, since: int, ident: str | None = None) -> None:
        """Say of the end of a request what was done to it on purpose; see `pytest_mcpsym.faults.blame`."""
        error.blame(self._redacted(blamed(self._log, since, self._link, ident)))

    def purpose(self, ident: str) -> str:
        """Return, as words behind an error of JSON-RPC, what was done on purpose to a request; nothing where nothing was."""
        told = self._redacted(blamed(self._log, 0, self._link, ident, meanwhile=False))
        return f"; done on purpose: {'; '.join(told)}" if told else ""

    def _redacted(self, told: Iterable[str]) -> list[str]:
        redactor = Redactor(self._rules)
        return [redactor.text(each) for each in told]

    def _error(self, reason: LinkFailure, message: str) -> LinkError:
        error = LinkError(self._link, reason, Redactor(self._rules).text(message))
        told, error.raised = ended(self._log, self._link)  # Who ends a link on purpose need not be told when the board closes.
        return error.blame(self._redacted(told))

    def _guess(self) -> str:
        """Why a server may be silent: it was started without the option that makes it a stdio server, or it waits."""
        told = "\n".join([*self._told(self._log), *(frame.data.decode("utf-8", "replace") for frame in self._odd(self._log))])
        if address := _HTTP_ADDRESS.search(told):
            return f"it seems to listen on {address[0]}: make it speak on stdio, or start it yourself and give its URL"
        return "is it an MCP server, and does it wait for something? (ini mcp_open_timeout gives it more time)"

    def _told(self, log: WireLog) -> list[str]:
        return [str(note.data.get("text")) for note in log.notes if note.link == self._link and note.channel == "stderr"]

    def _odd(self, log: WireLog) -> list[Frame]:
        return [frame for frame in log.on(self._link) if frame.direction == "to-client" and frame.message.kind == "not-json"]

    def _evidence(self) -> str:
        """What the peer wrote that helps: text on stdout that is no message, its first and last words on stderr."""
        log = redact(self._log, self._rules)
        told, odd = self._told(log), self._odd(log)
        text = ""
        if odd:
            excerpt = odd[0].data[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
            text += (
                f"\n  frame {odd[0].seq} of {self._link} is no JSON-RPC: {excerpt!r}"
                "\n  a stdio server may write nothing but messages to stdout; write other text to stderr"
            )
        if told:
            text += "\n  its words on stderr:" + "".join(f"\n    {line}" for line in _ends(told))
        return text


def _ends(told: list[str]) -> list[str]:
    """The first and the last lines, and the first in between that speaks of an error.

    A traceback ends with its reason, a panic or a complaint with its usage begins with it, and node has it in the middle.
    """
    lines = [line for line in told if line.strip()]
    if len(lines) <= _FIRST_LINES + _LAST_LINES + 1:
        return lines
    between = lines[_FIRST_LINES:-_LAST_LINES]
    telling = [line for line in between if "error" in line.lower()][:1]
    left_out = len(between) - len(telling)
    return [*lines[:_FIRST_LINES], *telling, f"… {left_out} lines more", *lines[-_LAST_LINES:]]


def _advice(message: str, url: str) -> str:
    if "HTTP 401" in message or "HTTP 403" in message:
        return "give it credentials: link(url, headers={'Authorization': ...})"
    if url.rstrip("/").endswith("/sse"):
        return "the transport of 2024-11-05, HTTP with SSE, is not spoken here: most servers have streamable HTTP too, on /mcp"
    if "Not Found" in message:
        return "check the path of its URL: most servers answer on /mcp"
    if "no response" in message:
        return "start it first, or give the command that starts it"
    return "is that the URL of its MCP endpoint (streamable HTTP)?"


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return [leaf for inner in group.exceptions for leaf in _leaves(inner)]
    return [error]

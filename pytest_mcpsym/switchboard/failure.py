"""Say in one sentence why a link failed, from what the wire log shows: exit status, last lines of stderr, text that is no JSON."""

from __future__ import annotations

from typing import cast

from pytest_mcpsym.errors import LinkError, LinkFailure, McpsymError
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.redact import redact

__all__ = ["explain", "lost", "root_cause"]

_SHOWN_LINES = 5
_SHOWN_BYTES = 200


def root_cause(error: BaseException) -> BaseException:
    """Return what an exception group is about: the first error of ours in it, else the first of all."""
    leaves = list(_leaves(error))
    return next((leaf for leaf in leaves if isinstance(leaf, McpsymError)), leaves[0])


def explain(link: str, error: BaseException, log: WireLog) -> LinkError:
    """Return the `LinkError` for whatever ended a link."""
    cause = root_cause(error)
    if isinstance(cause, LinkError):
        return cause
    said = str(cause) or type(cause).__name__
    return LinkError(link, "failed", f"{said}{_evidence(link, log)}")


def lost(link: str, label: str, log: WireLog) -> LinkError:
    """Return the `LinkError` for a peer that closed the connection by itself."""
    exits = [note.data.get("status") for note in log.notes if note.link == link and note.channel == "exit"]
    failures = [str(note.data.get("reason")) for note in log.notes if note.link == link and note.channel == "failure"]
    answered = any(frame.direction == "to-client" and frame.message.kind in ("result", "error") for frame in log.on(link))
    when = "" if answered else " before it answered the first request"
    reason: LinkFailure = "exited" if exits else "closed"
    what = f"ended with exit status {exits[-1]}" if exits else "closed the connection"
    because = f": {failures[-1]}" if failures else ""
    return LinkError(link, reason, f"{label} {what}{when}{because}{_evidence(link, log)}")


def _evidence(link: str, log: WireLog) -> str:
    log = redact(log)
    told = [str(note.data.get("text")) for note in log.notes if note.link == link and note.channel == "stderr"]
    odd = [frame for frame in log.on(link) if frame.direction == "to-client" and frame.message.kind == "not-json"]
    text = ""
    if odd:
        excerpt = odd[0].data[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
        text += (
            f"\n  frame {odd[0].seq} on stdout is no JSON-RPC: {excerpt!r}"
            "\n  a stdio server may write nothing but messages to stdout; write other text to stderr"
        )
    if told:
        text += "\n  its last words on stderr:" + "".join(f"\n    {line}" for line in told[-_SHOWN_LINES:])
    return text


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return [leaf for inner in group.exceptions for leaf in _leaves(inner)]
    return [error]

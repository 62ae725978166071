"""Raw requests of the switchboard that wait for their answers on one link, told apart from those of the SDK's client by their ids.

Ids are strings that are no numbers (`"weather-3"`): the SDK's are integers, and it takes a string of digits for one of its own. Links
to one server have the same ids, as independent clients of it may, so that a server that keeps their requests by id alone is seen. What
comes for a request that nobody waits for any more goes the SDK's way, which drops an answer that it does not know. Pinned by
`tests/switchboard/test_link.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY

from pytest_mcpsym.errors import LinkError
from pytest_mcpsym.transport.pipe import Pipe
from pytest_mcpsym.transport.tap import Undelivered
from pytest_mcpsym.wire.frame import Frame, Message, id_text, parse
from pytest_mcpsym.wire.splice import splice

__all__ = ["Event", "Pending", "dumps", "raw_request"]

Arrived = tuple[Frame, Message]
"""An answer, and a view of it that is nobody else's and is not kept: many are read once."""

Event = Arrived | Frame | Undelivered | LinkError
"""What happens to a request: its answer, progress, the news that none can come, the end of the link."""


class Pending:
    """The raw requests of one link. A request's progress token is its id.

    Args:
        prefix: What the ids begin with.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._minted = 0
        self._wanted: str | None = None
        self._waiting: dict[str, Pipe[Event]] = {}

    def want(self, ident: str) -> None:
        """Let the next request have this id, as JSON text."""
        self._wanted = ident

    def mint(self) -> str:
        """Return a new id, as JSON text."""
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            return wanted
        self._minted += 1
        return json.dumps(f"{self._prefix}-{self._minted}")

    def begin(self, ident: str) -> Pipe[Event]:
        """Collect what happens to a request, until `end`."""
        events = self._waiting[ident] = Pipe[Event]()
        return events

    def end(self, ident: str) -> None:
        """Collect no more of it."""
        del self._waiting[ident]

    def take(self, frame: Frame) -> bool:
        """Take what is for a raw request: an answer, progress, what a subscription tells; return whether it was."""
        if not self._waiting:
            return False
        is_asking = b'"method"' in frame.data
        message = frame.message if is_asking else parse(frame.data)
        if message.kind in ("result", "error") or (message.kind == "invalid" and message.method is None):
            if message.id is None or message.id not in self._waiting:
                return False
            return self._hand_over(message.id, (frame, parse(frame.data) if is_asking else message))
        if message.kind == "notification" and message.method == "notifications/progress":
            return self._hand_over(id_text(message.params.get("progressToken")), frame)
        if message.kind == "notification" and SUBSCRIPTION_ID_META_KEY in message.meta:
            return self._hand_over(id_text(message.meta[SUBSCRIPTION_ID_META_KEY]), frame)
        return False

    def undelivered(self, item: Undelivered) -> bool:
        """Take the news that an answer cannot come; return whether it was for a raw request."""
        return self._hand_over(item.id, item)

    def release(self, error: LinkError) -> None:
        """Let nobody wait for a link that has ended."""
        for waiter in self._waiting.values():
            waiter.put(error)

    def _hand_over(self, ident: str, event: Event) -> bool:
        waiter = self._waiting.get(ident)
        if waiter is not None:
            waiter.put(event)
        return waiter is not None


def dumps(value: object) -> bytes:
    """Serialise as the SDK does: compact, and UTF-8 unescaped; lone surrogates exist in JSON only as escapes.

    Raises:
        ValueError: The value holds a number that JSON does not know (`NaN`), or holds itself, or is nested too deeply.
        TypeError: The value holds an object that is none of JSON's.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
    except RecursionError:
        raise ValueError("nested too deeply to serialise") from None


def raw_request(ident: str, method: str, params: bytes, meta: Mapping[str, object]) -> bytes:
    """Return a request around the bytes of `params`, with what `meta` holds as its `_meta`."""
    if meta:
        params = splice(params, {("_meta",): dumps(meta)})
    return b'{"jsonrpc":"2.0","id":' + ident.encode() + b',"method":' + dumps(method) + b',"params":' + params + b"}"

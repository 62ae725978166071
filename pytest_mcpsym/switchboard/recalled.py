"""What the host told servers when they were recorded: it says it again where a test scripts nothing.

So a recording of a real model replays without it. Each recorded answer is given once, to a question that is the same, in recorded order.
What a test scripts comes first, and is compared with the recording as all that a client sends. Pinned by `tests/replay/test_host.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar, cast

from mcp_types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    InputRequest,
    ListRootsRequest,
    ListRootsResult,
    RequestParams,
)
from pydantic import TypeAdapter, ValidationError

from pytest_mcpsym.switchboard.rules import Message
from pytest_mcpsym.symmetric.names import HOSTS_OWN
from pytest_mcpsym.wire.told import Told

__all__ = ["Recalled"]

_QUESTION: Final = TypeAdapter[InputRequest](InputRequest)
_MESSAGE: Final = TypeAdapter[Message](Message)
_ELICITED: Final = TypeAdapter(ElicitResult)
_ROOTS: Final = TypeAdapter(ListRootsResult)
_Answer = TypeVar("_Answer")


class Recalled:
    """The recorded answers of a host that nobody has asked for yet."""

    def __init__(self) -> None:
        self._sources: list[Callable[[], Iterable[Told]]] = []
        self._left: list[tuple[InputRequest, Told]] = []

    def add(self, recorded: Callable[[], Iterable[Told]]) -> None:
        """Take note of a recording, which is read as soon as a server asks something."""
        self._sources.append(recorded)

    def _read(self) -> None:
        sources, self._sources = self._sources, []
        for one in (one for source in sources for one in source()):
            if one.method not in HOSTS_OWN:
                continue
            try:
                question = _QUESTION.validate_python({"method": one.method, "params": one.params or None}, by_name=False)
            except ValidationError:  # The host refused it then, and does so again.
                continue
            self._left.append((_plain(question), one))

    def message(self, params: CreateMessageRequestParams) -> Message | ErrorData | None:
        """Return what the model said to a prompt; `None` if that was not recorded, or not that often."""
        return self._taken(CreateMessageRequest(params=params), _MESSAGE)

    def elicited(self, params: ElicitRequestParams) -> ElicitResult | ErrorData | None:
        """Return what the user said to an elicitation; `None` as for `message`."""
        return self._taken(ElicitRequest(params=params), _ELICITED)

    def roots(self) -> ListRootsResult | ErrorData | None:
        """Return the roots that were told; `None` as for `message`."""
        return self._taken(ListRootsRequest(), _ROOTS)

    def _taken(self, question: InputRequest, kind: TypeAdapter[_Answer]) -> _Answer | ErrorData | None:
        self._read()
        wanted = _plain(question)
        found = next((pair for pair in self._left if pair[0] == wanted), None)
        if found is None:
            return None
        self._left.remove(found)
        told = found[1]
        if told.member == "error":
            return ErrorData.model_validate(told.body)
        return kind.validate_python(told.body, by_name=False)


def _plain(question: InputRequest) -> InputRequest:
    """Return a question without `_meta`, which names requests and tokens of one run."""
    params = cast("RequestParams | None", question.params)
    if params is None or params.meta is None:
        return question
    return question.model_copy(update={"params": params.model_copy(update={"meta": None})})

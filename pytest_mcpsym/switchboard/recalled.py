"""What the host told servers when they were recorded: it says it again where a test scripts nothing.

So a recording of a real model replays without it. Each recorded answer is given once, on its own link: to the very question that it
answered where that is known, else to one that is the same, in the order in which they were asked. What a test scripts comes first, and is
compared with the recording as all that a client sends. Pinned by `tests/replay/test_host.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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

from pytest_mcpsym.switchboard.approval import ApprovalRequest, Decision
from pytest_mcpsym.switchboard.asker import Asker
from pytest_mcpsym.switchboard.rules import Message
from pytest_mcpsym.symmetric.names import HOSTS_OWN
from pytest_mcpsym.wire.log import Note, WireLog
from pytest_mcpsym.wire.told import Told, told

__all__ = ["Recalled"]

_QUESTION: Final = TypeAdapter[InputRequest](InputRequest)
_MESSAGE: Final = TypeAdapter[Message](Message)
_ELICITED: Final = TypeAdapter(ElicitResult)
_ROOTS: Final = TypeAdapter(ListRootsResult)
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class _Source:
    """The recording of one link, and which frame of it each frame of the board's log replays."""

    link: str
    recorded: WireLog
    replayed: Mapping[int, int]


class Recalled:
    """The recorded answers of a host that nobody has asked for yet."""

    def __init__(self) -> None:
        self._unread: list[_Source] = []
        self._replayed: dict[str, Mapping[int, int]] = {}
        self._left: list[tuple[str, InputRequest, Told]] = []
        self._approvals: list[tuple[str, Note]] = []

    def add(self, link: str, recorded: WireLog, replayed: Mapping[int, int]) -> None:
        """Take note of a recording, which is read as soon as a server asks something.

        Args:
            link: The link that replays it.
            recorded: Its log.
            replayed: By the `seq` of a frame of the board's log, the `seq` of the recorded frame that it replays; it grows.
        """
        self._unread.append(_Source(link, recorded, replayed))

    def message(self, params: CreateMessageRequestParams, asker: Asker) -> Message | ErrorData | None:
        """Return what the model said to a prompt; `None` if that was not recorded, or not that often."""
        return self._taken(CreateMessageRequest(params=params), _MESSAGE, asker)

    def elicited(self, params: ElicitRequestParams, asker: Asker) -> ElicitResult | ErrorData | None:
        """Return what the user said to an elicitation; `None` as for `message`."""
        return self._taken(ElicitRequest(params=params), _ELICITED, asker)

    def roots(self, asker: Asker) -> ListRootsResult | ErrorData | None:
        """Return the roots that were told; `None` as for `message`."""
        return self._taken(ListRootsRequest(), _ROOTS, asker)

    def approval(self, request: ApprovalRequest) -> Decision | None:
        """Return whether the user approved; `None` as for `message`, and where nobody had decided when time was over."""
        self._read()
        wanted = (request.caller, request.method, request.name)
        found = next(
            (pair for pair in self._approvals if (pair[0], pair[1].data.get("method"), pair[1].data.get("name")) == wanted),
            None,
        )
        if found is None:
            return None
        self._approvals.remove(found)
        decision = found[1].data.get("decision")
        return decision if decision in ("approved", "refused") else None

    def _read(self) -> None:
        unread, self._unread = self._unread, []
        for source in unread:
            self._replayed[source.link] = source.replayed
            self._approvals += [(source.link, note) for note in source.recorded.notes if note.channel == "approval"]
            for one in sorted(told(source.recorded), key=lambda one: one.asked):
                if one.method not in HOSTS_OWN:
                    continue
                try:
                    question = _QUESTION.validate_python({"method": one.method, "params": one.params or None}, by_name=False)
                except ValidationError:  # The host refused it then, and does so again.
                    continue
                self._left.append((source.link, _plain(question), one))

    def _taken(self, question: InputRequest, kind: TypeAdapter[_Answer], asker: Asker) -> _Answer | ErrorData | None:
        self._read()
        wanted = _plain(question)
        fitting = [each for each in self._left if each[0] == asker.link and each[1] == wanted]
        if not fitting:
            return None
        asked = self._replayed[asker.link].get(asker.frame.seq) if asker.frame is not None else None
        found = next((each for each in fitting if each[2].asked == asked), fitting[0])
        self._left.remove(found)
        answer = found[2]
        if answer.member == "error":
            return ErrorData.model_validate(answer.body)
        return kind.validate_python(answer.body, by_name=False)


def _plain(question: InputRequest) -> InputRequest:
    """Return a question without `_meta`, which names requests and tokens of one run."""
    params = cast("RequestParams | None", question.params)
    if params is None or params.meta is None:
        return question
    return question.model_copy(update={"params": params.model_copy(update={"meta": None})})

"""What entered whose context: the bytes that a model at the end of a link would have been shown, and about how many tokens they are.

A pure function of the log. Counted is what a caller writes and reads in calls of tools and prompts: their arguments, and the blocks of
their results (text as it is, base64 as base64, a resource link with what it says of the resource). `structuredContent` counts
where there are no blocks, as it repeats them. A resource counts where the host read it; what a server reads from another is its
program's data and enters no context. Lists count nowhere.

A token is taken to be `BYTES_PER_TOKEN` bytes, which fits English text; base64 takes more of them, so its figure is a lower bound.
Pinned by `tests/wire/test_context.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast, overload

from pytest_mcpsym.wire.exchange import Correlation, Exchange, correlate
from pytest_mcpsym.wire.extension import CALLS
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import Entry
from pytest_mcpsym.wire.placement import Placements, place
from pytest_mcpsym.wire.route import HOST, Hop, Routes, routes

__all__ = ["BYTES_PER_TOKEN", "Context", "Shown", "context"]

BYTES_PER_TOKEN: Final = 4

_COUNTED: Final = frozenset({"tools/call", "prompts/get"})


@dataclass(frozen=True, slots=True)
class Shown:
    """What one call brought into its caller's context.

    Attributes:
        caller: Whose context it is: a link's name, or `host`.
        callee: Who was called.
        method: Its method.
        target: The tool, prompt or resource.
        frame: `seq` of the request.
        written: Bytes of its arguments.
        read: Bytes of its result, or of its error's message.
        answer: `seq` of its last answer, `None` if it has none.
    """

    caller: str
    callee: str
    method: str
    target: str
    frame: int
    written: int
    read: int
    answer: int | None = None

    @property
    def bytes(self) -> int:
        """Bytes in all."""
        return self.written + self.read

    @property
    def tokens(self) -> int:
        """About how many tokens they are."""
        return -(-self.bytes // BYTES_PER_TOKEN)


class Context(Sequence[Shown]):
    """What entered contexts, call by call, in order of the requests."""

    __slots__ = ("_shown",)

    def __init__(self, shown: Iterable[Shown] = ()) -> None:
        self._shown = tuple(shown)

    @overload
    def __getitem__(self, index: int) -> Shown: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Shown, ...]: ...
    def __getitem__(self, index: int | slice) -> Shown | tuple[Shown, ...]:
        return self._shown[index]

    def __len__(self) -> int:
        return len(self._shown)

    def __eq__(self, other: object) -> bool:
        return self._shown == other._shown if isinstance(other, Context) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._shown)

    @property
    def bytes(self) -> int:
        """Bytes in all."""
        return sum(each.bytes for each in self._shown)

    @property
    def tokens(self) -> int:
        """About how many tokens they are."""
        return -(-self.bytes // BYTES_PER_TOKEN)

    def of(self, caller: str) -> Context:
        """Return what entered one peer's context: that of a link's server, or of the `host`."""
        return Context(each for each in self._shown if each.caller == caller)

    def __str__(self) -> str:
        lines = [
            f"{each.caller} > {each.callee}  {each.target}  {each.bytes:,} bytes, about {each.tokens:,} tokens"
            for each in self._shown
        ]
        return "\n".join(lines) or "nothing entered a context"

    def __repr__(self) -> str:
        return f"<Context: {len(self)} calls, {self.bytes} bytes>"


def context(
    log: Iterable[Entry],
    correlation: Correlation | None = None,
    placements: Placements | None = None,
    hops: Routes | None = None,
) -> Context:
    """Return what entered whose context. Its cost is linear in the log.

    Args:
        log: A `WireLog`, or entries in the order in which they were logged.
        correlation: What `correlate` gives for it, if it is at hand.
        placements: What `place` gives for it, if it is at hand.
        hops: What `routes` gives for it, if it is at hand.
    """
    entries = tuple(log)
    correlation = correlate(entries) if correlation is None else correlation
    placements = placements or place(entries, correlation)
    hops = routes(entries, correlation, placements) if hops is None else hops
    finals: dict[int, Frame] = {}
    for exchange in correlation.exchanges:
        first = placements.legs.get(exchange.request.seq, exchange)
        if exchange.response is not None and not _goes_on(exchange.response):
            finals[first.request.seq] = exchange.response
    counted = [hop for hop in hops.walk() if _counts(hop)]
    return Context(sorted((_shown(hop, finals) for hop in counted), key=lambda each: each.frame))


def _counts(hop: Hop) -> bool:
    return hop.method in _COUNTED or (hop.method == "resources/read" and hop.caller == HOST)


def _goes_on(answer: Frame) -> bool:
    return answer.message.result.get("resultType") in (CALLS, "input_required")


def _shown(hop: Hop, finals: Mapping[int, Frame]) -> Shown:
    exchange: Exchange = hop.exchange
    arguments = exchange.request.message.params.get("arguments")
    written = 0 if arguments is None else _size(arguments)
    final = finals.get(exchange.request.seq)
    read = 0 if final is None else _read(final)
    answer = None if final is None else final.seq
    return Shown(hop.caller, hop.callee or "nobody", hop.method, hop.target, exchange.request.seq, written, read, answer)


def _read(answer: Frame) -> int:
    if answer.message.kind == "error":
        return _size(answer.message.error.get("message", ""))
    result = answer.message.result
    blocks = [*_objects(result.get("content")), *_objects(result.get("contents"))]
    for message in _objects(result.get("messages")):
        blocks += _objects(message.get("content"))
    if not blocks and "structuredContent" in result:
        return _size(result["structuredContent"])
    return sum(map(_block, blocks))


def _block(block: Mapping[str, object]) -> int:
    """Return the bytes of a content block as a model reads it."""
    inner = block.get("resource")
    if isinstance(inner, dict):
        return _block(cast("Mapping[str, object]", inner))
    for key in ("text", "data", "blob"):
        if isinstance(block.get(key), str):
            return _size(block[key])
    return _size({key: value for key, value in block.items() if key != "_meta"})


def _objects(value: object) -> Iterator[Mapping[str, object]]:
    """Yield the JSON objects in an array, or the one object that stands in its place."""
    for item in cast("list[object]", value) if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            yield cast("Mapping[str, object]", item)


def _size(value: object) -> int:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass"))

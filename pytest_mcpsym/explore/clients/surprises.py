"""Hypothesis strategies for what a server may do to a client that was seen to ask for this and that.

Pinned by `tests/explore/test_surprises.py`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

from hypothesis import strategies as st

from pytest_mcpsym.explore.clients import moves as m
from pytest_mcpsym.explore.clients.plain import REVISIONS, revision_of
from pytest_mcpsym.explore.clients.turn import members
from pytest_mcpsym.explore.offer import Offer
from pytest_mcpsym.explore.plans import fitting
from pytest_mcpsym.wire.log import WireLog

__all__ = ["KINDS", "Seen", "seen", "surprises"]

Json = dict[str, object]
Moves = st.SearchStrategy[m.Move]


@dataclass(frozen=True)
class Seen:
    """What a client does with a server that does nothing of its own will.

    Attributes:
        era: The era that is spoken.
        offer: What the server offers.
        requests: Method and params of each request, in order.
        ids: Their ids.
        http: Whether it came over HTTP.
    """

    era: str
    offer: Offer
    requests: Sequence[tuple[str, Mapping[str, object]]]
    ids: Sequence[int | str] = ()
    http: bool = False

    @property
    def declared(self) -> Mapping[str, object]:
        """The capabilities of the client."""
        for _, params in self.requests:
            found = params.get("capabilities") or members(params.get("_meta")).get("io.modelcontextprotocol/clientCapabilities")
            if isinstance(found, dict):
                return cast("Mapping[str, object]", found)
        return {}

    @property
    def revision(self) -> str:
        """The revision that it asked for and gets."""
        return revision_of(next((params.get("protocolVersion") for _, params in self.requests), None), self.era)


def seen(log: WireLog, era: str, offer: Offer) -> Seen:
    """Return what the log of a client says about it."""
    frames = [frame for frame in log.frames if frame.direction == "to-server" and frame.message.kind == "request"]
    frames = [frame for frame in frames if frame.link == frames[0].link]
    requests = [(str(frame.message.method), frame.message.params) for frame in frames]
    ids = [cast("int | str", json.loads(str(frame.message.id))) for frame in frames]
    return Seen(era, offer, requests, ids, any(frame.envelope is not None for frame in frames))


# --- values

_TEXT: Final = st.one_of(
    st.sampled_from(["", " ", "a\u2028b", "line\r\nline", "é", "\U0001f600", '{"a": 1}', "0", "a" * 300]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
)
_JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)
_OBJECT: Final = st.dictionaries(_TEXT, _JSON, max_size=3)
_META: Final = st.dictionaries(st.sampled_from(["vendor.example/a", "x", "com.example/ü"]), _JSON, max_size=2)
_BYTES: Final = st.binary(max_size=8).map(lambda data: base64.b64encode(data).decode())
_LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
_IDS: Final = (0, 1, 2, "0", "1", "", "ü", -1, 2**53 - 1)
_CODES: Final = (-32603, -32602, -32601, -32000, 0, 1, 40001)
_FORM: Final[Json] = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def _some(**optional: st.SearchStrategy[object]) -> st.SearchStrategy[Json]:
    """Return objects with some of these members."""
    return st.fixed_dictionaries({}, optional=optional)


def _with(fixed: Json, **more: st.SearchStrategy[object]) -> st.SearchStrategy[Json]:
    """Return objects with these members, and some of those."""
    return _some(**more).map(lambda found: {**fixed, **found})


def _content(revision: str) -> st.SearchStrategy[Json]:
    notes = {"annotations": _some(audience=st.just(["user"]), priority=st.sampled_from([0, 0.5, 1])), "_meta": _META}
    text = _TEXT.flatmap(lambda value: _with({"type": "text", "text": value}, **notes))
    image = _BYTES.flatmap(lambda data: _with({"type": "image", "data": data, "mimeType": "image/png"}, **notes))
    held = st.one_of(
        _TEXT.map(lambda value: {"uri": "demo://x", "text": value}), _BYTES.map(lambda data: {"uri": "demo://x", "blob": data})
    )
    kinds = [text, text, image, held.flatmap(lambda value: _with({"type": "resource", "resource": value}, **notes))]
    if revision >= "2025-03-26":
        kinds.append(_BYTES.flatmap(lambda data: _with({"type": "audio", "data": data, "mimeType": "audio/wav"}, **notes)))
    if revision >= "2025-06-18":
        kinds.append(_with({"type": "resource_link", "uri": "demo://y", "name": "y"}, size=st.integers(0, 2**53 - 1), **notes))
    return st.one_of(kinds)


# --- answers


def _results(seen: Seen, method: str, params: Mapping[str, object]) -> st.SearchStrategy[Json] | None:
    """Return what a request may be answered with; `None` where nothing but the ordinary makes sense."""
    content = _content(seen.revision)
    blocks = st.lists(content, max_size=3)
    match method:
        case "tools/call":
            return _tool_results(seen, params, blocks)
        case "resources/read":
            uri = params.get("uri")
            text = _TEXT.flatmap(lambda value: _with({"uri": uri, "text": value}, mimeType=st.just("text/plain"), _meta=_META))
            blob = _BYTES.flatmap(lambda data: _with({"uri": uri, "blob": data}, _meta=_META))
            cached: Json = {"ttlMs": 0, "cacheScope": "private"} if seen.era == "modern" else {}
            return st.lists(text | blob, max_size=3).map(lambda found: {"contents": found, **cached})
        case "prompts/get":
            message = st.tuples(st.sampled_from(["user", "assistant"]), content)
            messages = st.lists(message.map(lambda pair: {"role": pair[0], "content": pair[1]}), max_size=3)
            return messages.flatmap(lambda found: _with({"messages": found}, description=_TEXT))
        case "completion/complete":
            values = st.lists(_TEXT, max_size=3) | st.just(["x"] * 100)
            more = {"total": st.integers(100, 2**53 - 1), "hasMore": st.booleans()}
            return values.flatmap(lambda found: _with({"values": found}, **more)).map(lambda found: {"completion": found})
        case _:
            return None


def _tool_results(seen: Seen, params: Mapping[str, object], blocks: st.SearchStrategy[list[Json]]) -> st.SearchStrategy[Json]:
    schema = next((each.get("outputSchema") for each in seen.offer.tools if each.get("name") == params.get("name")), None)
    failed: st.SearchStrategy[Json] = blocks.map(lambda found: {"content": found, "isError": True})
    said = {"isError": st.just(value=False), "_meta": _META}
    if schema is not None:
        fits = st.tuples(blocks, fitting(schema))
        whole = fits.flatmap(lambda pair: _with({"content": pair[0], "structuredContent": pair[1]}, **said))
        return st.one_of(whole, whole, failed)
    free = {"structuredContent": _OBJECT} if seen.revision >= "2025-06-18" else {}
    plain = blocks.flatmap(lambda found: _with({"content": found}, **said, **free))
    return st.one_of(plain, plain, failed)


def _name(params: Mapping[str, object]) -> str | None:
    name = params.get("name", params.get("uri"))
    return name if isinstance(name, str) else None


def _contents(seen: Seen) -> list[Moves]:
    found: list[Moves] = []
    for at, (method, params) in enumerate(seen.requests):
        results = _results(seen, method, params)
        if results is not None:
            found.append(
                results.map(
                    lambda result, at=at, method=method, params=params: m.Answer(at, method, result, name=_name(params))
                )
            )
    return found


def _errors(seen: Seen) -> list[Moves]:
    said = [(at, method) for at, (method, _) in enumerate(seen.requests) if method not in ("initialize", "server/discover")]
    if not said:
        return []
    error = st.tuples(st.sampled_from(_CODES), _TEXT).flatmap(
        lambda pair: _with({"code": pair[0], "message": pair[1]}, data=_JSON)
    )
    return [st.tuples(st.sampled_from(said), error).map(lambda pair: m.Answer(*pair[0], error=pair[1]))]


# --- what comes of the server's own will


def _any(seen: Seen) -> st.SearchStrategy[int]:
    return st.integers(0, max(len(seen.requests) - 1, 0))


def _notifications(seen: Seen) -> list[Moves]:
    at, after, times = _any(seen), st.booleans(), st.sampled_from([1, 5])
    changed = st.sampled_from(
        [
            f"notifications/{family}/list_changed"
            for family in ("tools", "resources", "prompts")
            if family in seen.offer.capabilities
        ]
        or ["notifications/vendor/x"]
    )
    logged = st.tuples(st.sampled_from(_LEVELS), _JSON).flatmap(
        lambda pair: _with({"level": pair[0], "data": pair[1]}, logger=_TEXT)
    )
    empty = st.just(cast("Json", {}))
    with_meta = _META.map(lambda meta: {"_meta": meta})
    return [
        st.builds(m.Tell, at, changed, empty, times, after),
        st.builds(m.Tell, at, changed, with_meta, times, after),
        st.builds(m.Tell, at, st.just("notifications/message"), logged, st.just(1), after),
        st.builds(m.Tell, at, st.just("notifications/vendor/x"), empty | _OBJECT, st.just(1), after),
    ]


def _progress(seen: Seen, *, late: bool) -> list[Moves]:
    asked = [at for at, (_, params) in enumerate(seen.requests) if "progressToken" in members(params.get("_meta"))]
    if not asked:
        return []
    numbers = st.integers(0, 2**53) | st.floats(0, 1e9, allow_nan=False)
    steps = st.lists(numbers, min_size=1, max_size=4, unique=True).map(lambda found: tuple(sorted(found)))
    more = {"total": st.integers(2**53, 2**60)} | ({"message": _TEXT} if seen.revision >= "2025-03-26" else {})
    return [st.builds(m.Report, st.sampled_from(asked), steps, _some(**more), st.just(late))]


def _asking(seen: Seen) -> list[st.SearchStrategy[tuple[str, Json]]]:
    """What the client may be asked, as method and params."""
    found: list[st.SearchStrategy[tuple[str, Json]]] = []
    if "roots" in seen.declared:
        found.append(st.just(("roots/list", cast("Json", {}))))
    if "elicitation" in seen.declared:
        found.append(_TEXT.map(lambda text: ("elicitation/create", {"message": text, "requestedSchema": _FORM})))
    if "sampling" in seen.declared:
        content = _content(seen.revision).filter(lambda block: block["type"] in ("text", "image", "audio"))
        said: st.SearchStrategy[Json] = content.map(
            lambda block: {"messages": [{"role": "user", "content": block}], "maxTokens": 10}
        )
        found.append(
            said.flatmap(lambda params: _with(params, systemPrompt=_TEXT)).map(
                lambda params: ("sampling/createMessage", params)
            )
        )
    return found


def _questions(seen: Seen) -> list[Moves]:
    if seen.era == "modern":
        return []
    asked = st.one_of(st.just(("ping", cast("Json", {}))), *_asking(seen))
    given_up = st.sampled_from([False, False, False, True])

    def at(number: int) -> Moves:
        own = seen.ids[number] if number < len(seen.ids) else 0
        ids = st.just(own) | st.sampled_from(_IDS)
        return st.tuples(asked, ids, given_up).map(lambda got: m.Question(number, got[0][0], got[0][1], got[1], got[2]))

    return [_any(seen).flatmap(at)]


def _needs(seen: Seen) -> list[Moves]:
    at = [at for at, (method, _) in enumerate(seen.requests) if method in ("tools/call", "prompts/get", "resources/read")]
    if seen.era == "handshake" or not at:
        return []
    asking = _asking(seen)
    wanted = st.just(cast("dict[str, Json]", {}))
    if asking:
        request = st.one_of(asking).map(lambda pair: {"method": pair[0], **({"params": pair[1]} if pair[1] else {})})
        wanted = st.dictionaries(_TEXT.filter(bool), request, min_size=1, max_size=2)
    return [st.builds(m.Need, st.sampled_from(at), wanted, st.none() | _TEXT.filter(bool))]


def _delays(seen: Seen) -> list[Moves]:
    at = _any(seen)
    return [at.map(m.Hold), st.tuples(at, st.integers(1, 3)).map(lambda pair: m.Hold(pair[0], pair[0] + pair[1]))]


def _extras(seen: Seen) -> list[Moves]:
    unknown = st.dictionaries(st.sampled_from(["vendor", "x-new", "ü"]), _JSON, min_size=1, max_size=2)
    more = st.tuples(unknown, _some(_meta=_META)).map(lambda pair: {**pair[0], **pair[1]})
    return [st.builds(m.Extra, _any(seen), more)]


# --- what it is


def _lists(seen: Seen) -> list[Moves]:
    names = st.text("abcXYZ019_-.", min_size=1, max_size=12)
    nested: Json = {"type": "object", "properties": {"ü": {"type": "array", "items": {}}}}
    schemas = st.sampled_from([cast("Json", {"type": "object"}), _FORM, nested])
    tool = st.tuples(names, schemas).flatmap(
        lambda pair: _with({"name": f"x{pair[0]}", "inputSchema": pair[1]}, description=_TEXT, title=_TEXT, _meta=_META)
    )
    resource = names.flatmap(
        lambda name: _with(
            {"uri": f"demo://x/{name}", "name": name}, description=_TEXT, size=st.integers(0, 2**53 - 1), _meta=_META
        )
    )
    prompt = names.flatmap(
        lambda name: _with({"name": f"x{name}"}, description=_TEXT, arguments=st.sampled_from([[], [{"name": "a"}]]))
    )
    kinds: list[tuple[Literal["tools", "resources", "prompts"], st.SearchStrategy[Json], str]] = [
        ("tools", tool, "name"),
        ("resources", resource, "uri"),
        ("prompts", prompt, "name"),
    ]

    def more(kind: Literal["tools", "resources", "prompts"], entries: st.SearchStrategy[Json], key: str) -> Moves:
        several = st.lists(entries, min_size=1, max_size=3, unique_by=lambda each: str(each[key]))
        return st.builds(m.List, _any(seen), st.just(kind), several)

    return [more(*each) for each in kinds if each[0] in seen.offer.capabilities]


def _pages(seen: Seen) -> list[Moves]:
    del seen
    return [st.builds(m.Pages, st.integers(1, 2), st.sampled_from([" ü/+%=&?# ", '{"a":1}', " ", ""]) | _TEXT)]


def _capabilities(seen: Seen) -> list[Moves]:
    names = sorted(seen.offer.capabilities)
    subset = st.lists(st.sampled_from(names), unique=True) if names else st.just(cast("list[str]", []))
    kept = subset.map(lambda found: {name: seen.offer.capabilities[name] for name in found})
    bare = st.just({name: cast("object", {}) for name in names})
    experimental = _some(experimental=st.dictionaries(st.sampled_from(["x", "vendor.example/y"]), _OBJECT, max_size=2))
    return [st.tuples(kept | bare, experimental).map(lambda pair: m.Declare({**pair[0], **pair[1]}))]


def _versions(seen: Seen) -> list[Moves]:
    return [st.sampled_from(REVISIONS["handshake"]).map(m.Version)] if seen.era == "handshake" else []


def _http(seen: Seen) -> list[Moves]:
    if not seen.http:
        return []
    before = ["", ": comment\n\n", ":\n", "retry: 50\n\n"]
    if seen.revision >= "2025-11-25":
        before.append("id: 1\ndata: \n\n")
    flags = st.booleans()
    return [st.builds(m.Http, flags, flags, flags, st.sampled_from(before))]


KINDS: Final[Mapping[str, Callable[[Seen], list[Moves]]]] = {
    "notifications": _notifications,
    "questions": _questions,
    "needs": _needs,
    "progress": lambda seen: _progress(seen, late=False),
    "late-progress": lambda seen: _progress(seen, late=True),
    "delays": _delays,
    "content": _contents,
    "errors": _errors,
    "extras": _extras,
    "lists": _lists,
    "pages": _pages,
    "capabilities": _capabilities,
    "versions": _versions,
    "stubborn": lambda _: [st.just(m.Stubborn())],
    "http": _http,
}
"""What a server may do, by the names that `without=` takes."""


_OFTEN: Final = {"notifications": 4, "questions": 4, "needs": 4, "delays": 2, "content": 2, "pages": 3, "http": 2}
"""How much likelier than the others what clients die of is."""


def surprises(seen: Seen, steps: int, kinds: Sequence[str]) -> st.SearchStrategy[list[m.Move]]:
    """Return what a server may do, at most so many moves."""
    made = [st.one_of(found) for kind in kinds if (found := KINDS[kind](seen)) for _ in range(_OFTEN.get(kind, 1))]
    if not made:
        return st.just(cast("list[m.Move]", []))
    # One kind is as likely as the other, however much there is of it; Hypothesis would flatten a choice between choices.
    each = st.sampled_from(made).flatmap(lambda moves: moves)
    # Places that may be empty, because a list of any length is mostly short, and an empty place is the simplest there is.
    places = st.lists(st.none() | each, min_size=steps, max_size=steps)
    return places.map(lambda found: _fit([move for move in found if move is not None], seen))


def _fit(moves: list[m.Move], seen: Seen) -> list[m.Move]:
    """Leave out what an older revision does not have, and what is said twice about the whole server."""
    older = next((each.revision for each in moves if isinstance(each, m.Version)), seen.revision)
    kept: list[m.Move] = []
    for move in moves:
        again = isinstance(move, (m.Pages, m.Declare, m.Version, m.Stubborn, m.Http)) and any(
            type(each) is type(move) for each in kept
        )
        newer = older < seen.revision and (
            isinstance(move, m.Answer)
            or (isinstance(move, m.Question) and move.method == "elicitation/create")
            or isinstance(move, m.Report)
        )
        if not again and not newer:
            kept.append(move)
    return kept

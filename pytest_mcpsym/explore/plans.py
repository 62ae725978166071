"""Hypothesis strategies for conversations: which a client that conforms may hold with a server that lists what it lists.

Arguments of tools fit their schemas, and now and then they do not: a server answers that with an error. Pinned by
`tests/explore/test_plans.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, cast

from hypothesis import strategies as st

from pytest_mcpsym.explore.offer import Offer
from pytest_mcpsym.explore.steps import Ask, Cancel, Reconnect, Step, Wait

__all__ = ["conversations", "fitting"]

_DEEP: Final = 4
"""Levels of nesting that values of schemas have at most."""

_BACK: Final = 2
"""How many requests back a cancellation may reach, beyond the last."""

_IDS: Final = (1000, "1000", "1_000", " 1000", "01000", "\u0661\u0660\u0660\u0660", -1000, "", 2**53 - 1)
"""Ids that careless servers take for one another; those of the SDK's client are numbers that begin at 0."""

_MANY: Final = 12
"""Of so many steps, this many ask for something or, the last of them, connect again; the others cancel and wait."""
_ASKED: Final = 9

_FEW: Final = 4
"""Elements and members beyond those that a schema demands."""

_JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def conversations(offer: Offer, steps: int) -> st.SearchStrategy[list[Step]]:
    """Return conversations of at most so many steps. Cancelled and waited for is mostly what was asked last."""
    ids = st.none() | st.sampled_from(_IDS)
    asking = st.tuples(st.one_of(*_requests(offer)), st.booleans(), ids).map(
        lambda got: replace(got[0], progress=got[1], id=got[2])
    )
    meddling = st.tuples(st.sampled_from((Cancel, Wait)), st.integers(0, _BACK))
    again = st.just(Reconnect())
    move = st.integers(0, _MANY - 1).flatmap(
        lambda kind: meddling if kind >= _ASKED else again if kind == _ASKED - 1 else asking
    )
    # Places that may be empty, because a list of any length is mostly short.
    places = st.lists(st.none() | move | move | move, min_size=steps, max_size=steps)
    return places.map(lambda found: _numbered([each for each in found if each is not None]))


def _numbered(moves: Sequence[Ask | Reconnect | tuple[type[Cancel | Wait], int]]) -> list[Step]:
    """Return the steps of moves that say how many requests ago what they mean was asked; what means none is left out."""
    steps: list[Step] = []
    asked = 0
    used: set[object] = set()
    for drawn in moves:
        move = drawn
        if isinstance(move, Reconnect):
            used.clear()
        elif isinstance(move, Ask) and move.id is not None:
            move = replace(move, id=None) if move.id in used else move
            used.add(move.id)
        if isinstance(move, (Ask, Reconnect)):
            steps.append(move)
            asked += isinstance(move, Ask)
        elif move[1] < asked:
            steps.append(move[0](asked - 1 - move[1]))
    return steps


def _requests(offer: Offer) -> list[st.SearchStrategy[Ask]]:
    plain = ["ping"] if offer.era == "handshake" else ["server/discover"]
    found = [st.just(Ask("tools/call", {"name": "no-such-tool"}))] if "tools" in offer.capabilities else []
    plain += [f"{family}/list" for family in ("tools", "resources", "prompts") if family in offer.capabilities]
    if "resources" in offer.capabilities:
        plain.append("resources/templates/list")
    found.append(st.sampled_from(plain).map(Ask))
    found += [_calls(tool) for tool in offer.tools]
    found += [_reads(offer, str(resource.get("uri"))) for resource in offer.resources]
    found += [_prompts(prompt) for prompt in offer.prompts]
    if "logging" in offer.capabilities and offer.era == "handshake":
        levels = st.sampled_from(["debug", "info", "warning", "error"])
        found.append(levels.map(lambda level: Ask("logging/setLevel", {"level": level})))
    return found


def _calls(tool: Mapping[str, object]) -> st.SearchStrategy[Ask]:
    name, fits = tool.get("name"), fitting(tool.get("inputSchema", {}))
    nothing: st.SearchStrategy[object] = st.just(dict[str, object]())
    return st.one_of(fits, fits, fits, nothing).map(lambda given: Ask("tools/call", {"name": name, "arguments": given}))


def _reads(offer: Offer, uri: str) -> st.SearchStrategy[Ask]:
    methods = ["resources/read"]
    resources = offer.capabilities.get("resources")
    if offer.era == "handshake" and isinstance(resources, dict) and cast("dict[str, object]", resources).get("subscribe"):
        methods += ["resources/subscribe", "resources/unsubscribe"]
    return st.sampled_from(methods).map(lambda method: Ask(method, {"uri": uri}))


def _prompts(prompt: Mapping[str, object]) -> st.SearchStrategy[Ask]:
    declared = cast("list[Mapping[str, object]]", prompt.get("arguments") or [])
    required = {str(each.get("name")): st.text(max_size=20) for each in declared if each.get("required")}
    optional = {str(each.get("name")): st.text(max_size=20) for each in declared if not each.get("required")}
    arguments = st.fixed_dictionaries(required, optional=optional)
    return arguments.map(lambda given: Ask("prompts/get", {"name": prompt.get("name"), "arguments": given}))


# --- values of schemas


def fitting(schema: object, depth: int = 0, root: object = None) -> st.SearchStrategy[object]:
    """Return JSON values that fit a schema, for the keywords that tools use; what is not understood is any JSON.

    Args:
        schema: A JSON Schema.
        depth: How deep it stands in another.
        root: The schema that `$ref` is looked up in; default the schema itself.
    """
    if not isinstance(schema, dict) or depth > _DEEP:
        return _JSON if schema is not False else st.nothing()
    known = cast("dict[str, object]", schema)
    root = known if root is None else root
    if "const" in known:
        return st.just(known["const"])
    if isinstance(known.get("enum"), list) and known["enum"]:
        return st.sampled_from(cast("list[object]", known["enum"]))
    if isinstance(known.get("$ref"), str):
        return fitting(_referred(root, str(known["$ref"])), depth + 1, root)
    for key in ("anyOf", "oneOf"):
        choices = known.get(key)
        if isinstance(choices, list) and choices:
            return st.one_of(*(fitting(choice, depth + 1, root) for choice in cast("list[object]", choices)))
    kind = known.get("type", "object" if "properties" in known else None)
    if isinstance(kind, list):
        return st.one_of(*(fitting({**known, "type": each}, depth + 1, root) for each in cast("list[object]", kind)))
    match kind:
        case "object":
            return _objects(known, depth, root)
        case "array":
            least, most = _bounds(known, "minItems", "maxItems")
            return st.lists(fitting(known.get("items"), depth + 1, root), min_size=least, max_size=most)
        case _:
            return _scalars(kind, known)


def _scalars(kind: object, schema: Mapping[str, object]) -> st.SearchStrategy[object]:
    match kind:
        case "string":
            least, most = _bounds(schema, "minLength", "maxLength", 20)
            if isinstance(schema.get("pattern"), str):
                return st.from_regex(str(schema["pattern"]), fullmatch=False)
            return st.text(st.characters(exclude_categories=["Cs"]), min_size=least, max_size=most)
        case "integer":
            low, high = _number(schema.get("minimum"), -(2**31)), _number(schema.get("maximum"), 2**31)
            return st.integers(math.ceil(low), max(math.floor(high), math.ceil(low)))
        case "number":
            low, high = _number(schema.get("minimum"), -1e9), _number(schema.get("maximum"), 1e9)
            return st.floats(low, max(high, low), allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case _:
            return _JSON


def _objects(schema: Mapping[str, object], depth: int, root: object) -> st.SearchStrategy[object]:
    properties = schema.get("properties")
    members = cast("dict[str, object]", properties) if isinstance(properties, dict) else {}
    demanded = schema.get("required")
    required = cast("list[object]", demanded) if isinstance(demanded, list) else []
    made = {name: fitting(inner, depth + 1, root) for name, inner in members.items()}
    must = {name: made.get(name, _JSON) for name in map(str, required)}
    return st.fixed_dictionaries(must, optional={name: each for name, each in made.items() if name not in must})


def _referred(root: object, pointer: str) -> object:
    found = root
    for part in filter(None, pointer.removeprefix("#").split("/")):
        found = cast("dict[str, object]", found).get(part) if isinstance(found, dict) else None
    return found


def _bounds(schema: Mapping[str, object], least: str, most: str, few: int = _FEW) -> tuple[int, int]:
    low = int(_number(schema.get(least), 0))
    return low, max(low, int(min(_number(schema.get(most), low + few), low + few)))


def _number(value: object, default: float) -> float:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else default

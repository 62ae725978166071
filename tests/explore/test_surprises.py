"""What random servers do: every kind is tried, and nothing that an older revision does not have."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from pytest_mcpsym.explore import KINDS, Answer, Move, Question, Report, Version
from pytest_mcpsym.explore.clients.surprises import Seen, surprises
from pytest_mcpsym.explore.offer import PLAIN

TOKEN: dict[str, object] = {"_meta": {"progressToken": 1}}
ABLE: dict[str, dict[str, object]] = {"roots": {}, "elicitation": {}, "sampling": {}}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": ABLE}
CALLS = [("tools/list", TOKEN), ("tools/call", {"name": "echo", **TOKEN}), ("tools/call", {"name": "add", **TOKEN})]


def tried(seen: Seen, kinds: list[str], most: int = 150) -> list[list[Move]]:
    found: list[list[Move]] = []

    @seed(1)
    @settings(max_examples=most, database=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
    @given(surprises(seen, 8, kinds))
    def gather(moves: list[Move]) -> None:
        found.append(moves)

    gather()
    return found


HANDSHAKE = Seen("handshake", PLAIN, [("initialize", HELLO), *CALLS], [0, 1, 2, 3], http=True)
MODERN = Seen("modern", PLAIN, [("server/discover", TOKEN), *CALLS], [0, 1, 2, 3])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "needs"])
def test_each_kind_of_surprise_is_tried(kind: str) -> None:
    assert any(tried(HANDSHAKE, [kind], 20))


def test_what_is_of_one_era_is_not_tried_in_the_other() -> None:
    assert not any(tried(HANDSHAKE, ["needs"], 5))
    assert not any(tried(MODERN, ["questions", "versions"], 5))
    assert any(tried(MODERN, ["needs"], 20))


def test_an_older_revision_gets_nothing_that_is_newer() -> None:
    older = [moves for moves in tried(HANDSHAKE, list(KINDS)) if any(isinstance(move, Version) for move in moves)]
    assert older
    for moves in older:
        revision = next(move.revision for move in moves if isinstance(move, Version))
        if revision < HANDSHAKE.revision:
            assert not any(isinstance(move, (Answer, Report)) for move in moves)
            assert not any(isinstance(move, Question) and move.method == "elicitation/create" for move in moves)


def test_a_result_of_a_tool_with_a_schema_has_what_fits() -> None:
    for moves in tried(HANDSHAKE, ["content"]):
        for move in moves:
            if isinstance(move, Answer) and move.name == "add" and move.result and not move.result.get("isError"):
                structured = move.result["structuredContent"]
                assert isinstance(structured, dict)
                assert "sum" in structured

"""What `wire/minted.py` promises: what a server made up is no difference, and the server gets its own back."""

from __future__ import annotations

import json

import pytest

from pytest_mcpsym.wire.minted import Clocks, Minted

ONE = "0f8fad5b-d9cb-469f-a165-70867728950e"
OTHER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


@pytest.mark.parametrize(
    ("recorded", "live"),
    [
        (f"note {ONE}", f"note {OTHER}"),
        ("at 2026-01-31T10:00:00Z", "at 2026-02-01T23:59:59.123+01:00"),
        (f"{ONE} at 2026-01-31 10:00:00", f"{OTHER} at 2027-01-31 10:00:00"),
    ],
)
def test_uuids_and_times_are_made_up_wherever_they_stand(recorded: str, live: str) -> None:
    assert Minted().same(recorded, live)


@pytest.mark.parametrize(
    ("recorded", "live"),
    [
        ("sunny", "rain"),
        (f"note {ONE}", f"memo {OTHER}"),
        (f"note {ONE}", "note"),
        ("2026-01-31", "2026-02-01"),
        (f"{ONE}", "x"),
    ],
)
def test_other_texts_are_not(recorded: str, live: str) -> None:
    assert not Minted().same(recorded, live)


def test_one_uuid_stands_for_one_other() -> None:
    minted = Minted()
    assert minted.same(f"made {ONE}", f"made {OTHER}")
    assert minted.same(f"again {ONE}", f"again {OTHER}")
    assert not minted.same(f"again {ONE}", "again 11111111-2222-3333-4444-555555555555")


def carried(recorded: object, live: object, sent: object, *paths: tuple[str, ...]) -> object:
    """Return the arguments that a live server gets for what the client sent after two answers."""
    minted = Minted()
    minted.learn(recorded, live, paths)
    data = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"arguments": sent}}).encode()
    return json.loads(minted.carried(data))["params"]["arguments"]


@pytest.mark.parametrize(
    ("recorded", "live", "sent", "gets"),
    [
        ({"id": "note-17"}, {"id": "note-18"}, {"note": "note-17"}, {"note": "note-18"}),
        ({"text": '{"id": "note-17"}'}, {"text": '{"id": "note-18"}'}, ["note-17"], ["note-18"]),
        (
            {"uri": f"notes://{ONE}"},
            {"uri": f"notes://{OTHER}"},
            {"uri": f"notes://{ONE}/raw"},
            {"uri": f"notes://{OTHER}/raw"},
        ),
        ({"text": "key <token:1>!"}, {"text": "key s3cr3t-value!"}, {"key": "<token:1>"}, {"key": "s3cr3t-value"}),
        ({"text": "sunny"}, {"text": "rainy"}, {"weather": "sunny"}, {"weather": "sunny"}),
        ({"id": "note-17"}, {"id": "note-17"}, {"note": "note-17"}, {"note": "note-17"}),
    ],
    ids=["id", "json-in-text", "uuid-in-uri", "secret", "word", "same"],
)
def test_what_looks_like_an_id_is_given_back(recorded: object, live: object, sent: object, gets: object) -> None:
    assert carried(recorded, live, sent) == gets


NUMBERS: list[tuple[object, object, object, object]] = [
    ({"port": 8123}, {"port": 9321}, {"to": 8123}, {"to": 9321}),
    ({"port": 8123}, {"port": 9321}, {"to": "8123"}, {"to": "9321"}),
    ({"text": "kept as 17."}, {"text": "kept as 23."}, {"ident": "17"}, {"ident": "23"}),
    ({"text": "kept as 17."}, {"text": "kept as 23."}, {"id": 17, "most": 17}, {"id": 23, "most": 17}),
    ({"id": 7}, {"id": 9}, {"note_id": 7, "most": 7}, {"note_id": 9, "most": 7}),
    ({"number": 7}, {"number": 9}, {"uri": "issue://7"}, {"uri": "issue://9"}),
    ({"total": 7}, {"total": 9}, {"uri": "issue://7"}, {"uri": "issue://7"}),
    ({"text": '{"id": 7}'}, {"text": '{"id": 9}'}, {"id": 7}, {"id": 9}),
    ({"text": "4"}, {"text": "9"}, {"id": 4}, {"id": 4}),
    ({"result": 4}, {"result": 9}, {"a": 4}, {"a": 4}),
    ({"text": "note 17"}, {"text": "note 23"}, {"uri": "note://17/raw"}, {"uri": "note://23/raw"}),
    ({"text": "at http://x:8123/y"}, {"text": "at http://x:9321/y"}, {"url": "http://x:8123/z"}, {"url": "http://x:9321/z"}),
    ({"text": "note 17"}, {"text": "note 23"}, {"text": "17 apples"}, {"text": "17 apples"}),
    ({"text": "note 17"}, {"text": "memo 23"}, {"id": "17"}, {"id": "17"}),
    ({"id": "V-StGXRxZ_jdHiBxmyTa"}, {"id": "aBcdEfghIjklMnopQrst"}, ["V-StGXRxZ_jdHiBxmyTa"], ["aBcdEfghIjklMnopQrst"]),
    ({"x": 1.5}, {"x": 2.5}, {"x": 1.5}, {"x": 2.5}),
    ({"x": True}, {"x": False}, {"x": True}, {"x": True}),
]


@pytest.mark.parametrize(("recorded", "live", "sent", "gets"), NUMBERS)
def test_numbers_and_words_with_a_digit_are_given_back_where_they_may_stand(
    recorded: object, live: object, sent: object, gets: object
) -> None:
    assert carried(recorded, live, sent) == gets


@pytest.mark.parametrize(
    ("recorded", "live"),
    [("kept as 17", "kept as 23"), (17, 23), ("17", "23"), ("17 kept, 17 in all", "23 kept, 23 in all")],
)
def test_what_was_sent_back_is_no_difference_anywhere(recorded: object, live: object) -> None:
    minted = Minted()
    minted.learn({"text": "kept as 17"}, {"text": "kept as 23"})
    assert not minted.explained(recorded, live)
    minted.carried(b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"id":17}}}')
    assert minted.explained(recorded, live)
    assert not minted.explained(recorded, 24 if isinstance(live, int) else f"{live} more")


@pytest.mark.parametrize("named", [{"year": 2024}, {"text": "the report of 2024"}, {"uri": "report://2024"}])
def test_what_the_client_said_first_is_not_the_servers(named: object) -> None:
    minted = Minted()

    def sent(arguments: object) -> object:
        data = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"arguments": arguments}}).encode()
        return json.loads(minted.carried(data))["params"]["arguments"]

    sent(named)
    minted.learn({"text": "report 2024", "year": 2024}, {"text": "report 2025", "year": 2025})
    assert sent({"year": 2024}) == {"year": 2024}
    assert not minted.explained(2024, 2025)


NOON, LATER = 1_700_000_000, 1_710_000_000


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000_000])
def test_the_time_of_each_run_is_no_difference(unit: int) -> None:
    minted = Minted(Clocks(NOON, LATER))
    assert minted.explained((NOON - 9) * unit, (LATER + 9) * unit)
    assert minted.explained(f"at {NOON * unit}!", f"at {LATER * unit}!")
    assert not minted.explained(NOON * unit, NOON * unit + 1)
    assert not minted.explained(LATER * unit, LATER * unit + 1)
    assert not Minted().explained(NOON * unit, LATER * unit)


def test_what_the_protocol_says_is_made_up_is_given_back_whatever_it_looks_like() -> None:
    assert carried({"nextCursor": "b"}, {"nextCursor": "x"}, {"cursor": "b"}, ("nextCursor",)) == {"cursor": "x"}


def test_a_message_without_anything_made_up_stays_byte_for_byte() -> None:
    minted = Minted()
    minted.learn({"id": "note-17"}, {"id": "note-18"})
    data = b'{ "jsonrpc":"2.0", "id":1,"method":"ping" }'
    assert minted.carried(data) is data

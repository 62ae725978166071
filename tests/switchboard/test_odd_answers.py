"""Whatever JSON a server writes, it is in the log byte for byte, a call fails clearly or not at all, and the link lives on."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from pytest_mcpsym import Switchboard
from pytest_mcpsym.errors import AnswerTimeout, LinkError
from pytest_mcpsym.wire.corpus import corpus

EXPECTED = pytest.mark.mcp(expect=["jsonrpc:*"])

PARROT = shlex.join([sys.executable, str(Path(__file__).parents[1] / "transport" / "peers" / "says_what_it_is_told.py")])


@EXPECTED
def test_what_is_said_before_an_answer_is_logged_and_changes_nothing(switchboard: Switchboard) -> None:
    with switchboard(peer=PARROT) as board:
        for case in corpus():
            since = len(board.log.frames)
            assert board.call("peer__say", hex=case.data.hex(), then=True).content == []
            assert (str(case), case.data.removesuffix(b"\r")) in [(str(case), frame.data) for frame in board.log.frames[since:]]


@pytest.mark.parametrize(
    "value",
    ["2.5", "null", '"text"', "[]", '{"content":5}', '{"content":[{"type":"text","text":5}]}'],
)
def test_an_answer_that_is_no_result_fails_at_once_and_names_its_frame(switchboard: Switchboard, value: str) -> None:
    said = f'{{"jsonrpc":"2.0","id":$ID,"result":{value}}}'
    with switchboard(peer=PARROT) as board:
        with pytest.raises(LinkError, match=r"frame \d+ answers tools/call with no CallToolResult"):
            board.call("peer__say", hex=said.encode().hex(), then=False)
        assert board.call("peer__say", hex="", then=True).content == []


@EXPECTED
@pytest.mark.parametrize("value", [b'"\xff"', b"NaN", b"[" * 100_000 + b"]" * 100_000, b'"\xed\xa0\xbd"'])
def test_an_answer_that_is_no_json_has_no_id_so_its_call_ends_at_its_time_limit(switchboard: Switchboard, value: bytes) -> None:
    said = b'{"jsonrpc":"2.0","id":$ID,"result":{"content":[],"_meta":{"a":' + value + b"}}}"
    with switchboard(peer=PARROT) as board:
        with pytest.raises(AnswerTimeout, match=r"within 0.2 s; instead came frame \d+, which is no JSON"):
            board.options(timeout=0.2).call("peer__say", hex=said.hex(), then=False)
        assert board.call("peer__say", hex="", then=True).content == []
        assert value in b"".join(frame.data for frame in board.log.frames)


@pytest.mark.parametrize("value", ["1e400", '"\\ud800"', "9" * 5_000, "[" * 250 + "]" * 250, "-0"])
def test_a_result_with_a_value_that_python_cannot_keep_is_still_exact_in_the_log(switchboard: Switchboard, value: str) -> None:
    said = f'{{"jsonrpc":"2.0","id":$ID,"result":{{"content":[],"_meta":{{"a":{value}}}}}}}'
    with switchboard(peer=PARROT) as board:
        assert board.call("peer__say", hex=said.encode().hex(), then=False).content == []
        assert value.encode() in board.log.frames[-1].data


@pytest.mark.mcp(expect=["jsonrpc:not-json-rpc"])
def test_a_request_that_is_no_json_is_not_answered(switchboard: Switchboard) -> None:
    said = b'{"jsonrpc":"2.0","id":"odd","method":"ping","params":{"_meta":{"a":NaN}}}'
    with switchboard(peer=PARROT) as board:
        board.call("peer__say", hex=said.hex(), then=True)
        board.call("peer__say", hex="", then=True)
        assert '"odd"' not in [frame.message.id for frame in board.log.frames]

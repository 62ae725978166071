"""Faults of bytes on standard input, and of HTTP exchanges."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pytest_mcpsym import AnswerTimeout, Board, LinkError, UsageError, link
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.transport.asgi import Message, Scope
from tests.faults.conftest import Reached

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CHUNKS = Path(__file__).parent / "peers" / "chunks.py"


def chunked(*faults: str) -> object:
    """A server that says on standard error how many messages each read of its input ended."""
    return link(shlex.join([sys.executable, str(CHUNKS)]), faults=faults)


def reads(board: Board) -> list[str]:
    return [str(note.data["text"]) for note in board.log.notes if note.channel == "stderr"]


def test_a_message_that_is_split_comes_in_pieces_and_is_understood(switchboard: Switchboard) -> None:
    with switchboard(peer=chunked("split to-server tools/list pieces=4 seconds=0.1")) as board:
        board.client("peer").list_tools()
    assert "piece" in reads(board)  # A busy machine reads some of them together.
    assert board.findings == ()


def test_a_message_that_is_coalesced_comes_with_the_next_one(switchboard: Switchboard) -> None:
    with switchboard(peer=chunked("coalesce to-server notifications/initialized")) as board:
        board.client("peer").list_tools()
    assert reads(board) == ["1", "2", "end"]
    assert board.findings == ()


def test_a_message_that_waits_for_a_next_one_is_written_in_the_end(switchboard: Switchboard) -> None:
    with switchboard(peer=chunked("coalesce to-server tools/list")) as board:
        board.client("peer").list_tools()
    assert reads(board)[-2:] == ["1", "end"]


@pytest.mark.parametrize("way", ["stdio", "http", "modern-http"])
@pytest.mark.parametrize(
    "fault", ["split pieces=40 seconds=0 at=character", "split pieces=9 seconds=0 at=framing", "coalesce seconds=0.02"]
)
def test_what_comes_from_the_server_is_the_same_in_other_pieces(
    switchboard: Switchboard, reached: Reached, way: str, fault: str
) -> None:
    kind, *options = fault.split()
    heard: list[float] = []

    def hear(step: float, _total: float | None, _message: str | None) -> None:
        heard.append(step)

    with switchboard(peer=reached(way)) as board:
        board.link("peer").fault(" ".join([kind, "to-client", *options]))
        board.options(progress=hear).call("peer__count", to=3)
        said = board.call("peer__echo", text="größer: 你好 😀")
    assert heard == [1, 2, 3]
    assert said.content[0].model_dump()["text"] == "größer: 你好 😀"
    assert [note.data["what"] for note in board.log.notes if note.channel == "fault"][-5:] == [
        *["notification"] * 3,
        "answer",
        "answer",
    ]
    assert board.findings == ()


@pytest.mark.parametrize("kind", ["split", "coalesce"])
def test_what_a_pipe_does_with_bytes_is_refused_elsewhere(switchboard: Switchboard, reached: Reached, kind: str) -> None:
    refused = pytest.raises(
        UsageError, match=f"link 'peer': the fault '{kind}' is for stdio and http, and this link is memory, on which"
    )
    with refused, switchboard(peer=reached("memory", kind)):
        pass


async def resumable(scope: Scope, receive: Receive, send: Send) -> None:
    """A server that numbers its events, and has the answer ready for whoever asks for the rest."""
    body = b""
    while scope["method"] == "POST" and (event := await receive()):
        body += event["body"]
        if not event["more_body"]:
            break
    message = json.loads(body or b"{}")
    info = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "resumable", "version": "1"}}
    told = {"content": [{"type": "text", "text": "resumed"}]}
    resuming = dict(scope["headers"]).get(b"last-event-id") == b"1"
    if "id" not in message and not resuming:
        await send({"type": "http.response.start", "status": 202 if body else 405, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    called = resuming or message.get("method") == "tools/call"
    resumable.ident = message.get("id", getattr(resumable, "ident", None))  # pyright: ignore[reportFunctionMemberAccess]  # the app keeps its state on itself
    answer = {"jsonrpc": "2.0", "id": resumable.ident, "result": told if called else info}  # pyright: ignore[reportFunctionMemberAccess]  # the app keeps its state on itself
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    first = b"id: 1\nretry: 1\ndata:\n\n" if not resuming else b""
    data = first + b"id: 2\ndata: " + json.dumps(answer).encode() + b"\n\n"
    await send({"type": "http.response.body", "body": data})


WAYS = pytest.mark.parametrize("way", ["http", "modern-http"])


def statuses(board: Board) -> list[object]:
    return [note.data["status"] for note in board.log.notes if note.channel == "http" and note.data.get("event") == "response"]


def asked(board: Board) -> int:
    """How many calls the server answered."""
    return sum(frame.direction == "to-client" and b'"content"' in frame.data for frame in board.log.frames)


def goes_on(board: Board) -> None:
    assert not board.call("peer__echo", text="and on").is_error


@WAYS
@pytest.mark.parametrize("code", [401, 404, 500, 503])
def test_a_status_takes_the_place_of_the_answer(switchboard: Switchboard, reached: Reached, way: str, code: int) -> None:
    with switchboard(peer=reached(way)) as board:
        told = pytest.raises(LinkError, match=str(code) if code != 404 else r"terminated|Not Found")
        with board.link("peer").fault("status", method="tools/call", code=code), told:
            board.call("peer__echo", text="refused")
        goes_on(board)
    assert code in statuses(board)
    assert asked(board) == 1
    assert board.findings == ()


@WAYS
def test_a_redirect_to_the_same_url_is_followed(switchboard: Switchboard, reached: Reached, way: str) -> None:
    with switchboard(peer=reached(way)) as board:
        board.link("peer").fault("redirect", method="tools/call", times=1)
        goes_on(board)
    assert statuses(board).count(307) == 1
    assert asked(board) == 1
    assert board.findings == ()


@WAYS
def test_a_redirect_to_another_host_is_not_followed(switchboard: Switchboard, reached: Reached, way: str) -> None:
    with switchboard(peer=reached(way)) as board:
        board.link("peer").fault("redirect", method="tools/call", location="https://elsewhere.example/mcp", code=302)
        with pytest.raises(LinkError, match=r"redirect to https://elsewhere\.example/mcp not followed"):
            board.call("peer__echo", text="moved")
    assert asked(board) == 0
    assert board.findings == ()


@WAYS
def test_a_body_that_stalls_comes_too_late(switchboard: Switchboard, reached: Reached, way: str) -> None:
    with switchboard(peer=reached(way)) as board:
        with board.link("peer").fault("stall", method="tools/call"), pytest.raises(AnswerTimeout):
            board.options(timeout=0.3).call("peer__echo", text="stalled")
        with board.link("peer").fault("stall", method="tools/call", seconds=0.01):
            goes_on(board)
    assert board.findings == ()


@WAYS
@pytest.mark.parametrize(("events", "steps"), [(0, []), (2, [1, 2])])
def test_a_stream_that_is_cut_has_no_answer(
    switchboard: Switchboard, reached: Reached, way: str, events: int, steps: list[float]
) -> None:
    heard: list[float] = []

    def hear(step: float, _total: float | None, _message: str | None) -> None:
        heard.append(step)

    with switchboard(peer=reached(way)) as board:
        told = pytest.raises(LinkError, match="broke off before the answer")
        with board.link("peer").fault("cut", method="tools/call", events=events), told:
            board.options(progress=hear).call("peer__count", to=3)
        goes_on(board)
    assert heard == steps
    assert board.findings == ()


def test_a_stream_that_is_cut_is_resumed_where_the_server_numbers_its_events(switchboard: Switchboard) -> None:
    with switchboard(peer=link(resumable, faults=["cut to-server tools/call events=1"])) as board:
        result = board.call("peer__echo", text="resumed")
    assert result.content[0].model_dump()["text"] == "resumed"
    resumed = [note for note in board.log.notes if ["last-event-id", "1"] in (note.data.get("headers") or [])]  # pyright: ignore[reportOperatorIssue]  # headers are a list of pairs
    assert len(resumed) == 1
    assert board.findings == ()


@WAYS
def test_a_connection_that_is_reset_has_no_response(switchboard: Switchboard, reached: Reached, way: str) -> None:
    with switchboard(peer=reached(way)) as board:
        with (
            board.link("peer").fault("reset", method="tools/call"),
            pytest.raises(LinkError, match="a fault of the link broke"),
        ):
            board.call("peer__echo", text="gone")
        goes_on(board)
    assert asked(board) == 1
    assert board.findings == ()


@pytest.mark.parametrize("kind", ["status", "redirect", "stall", "cut", "reset"])
def test_what_http_does_is_refused_on_a_pipe(switchboard: Switchboard, reached: Reached, kind: str) -> None:
    refused = pytest.raises(UsageError, match=f"the fault '{kind}' is for http, and this link is memory")
    with switchboard(peer=reached("memory")) as board, refused:
        board.link("peer").fault(kind)

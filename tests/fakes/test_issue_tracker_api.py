"""The issue tracker over an HTTP API: what it sends, what it makes of the answers, and that its token stays where it belongs."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import pytest
from mcp.client.stdio import StdioServerParameters
from mcp_types import CallToolResult, TextContent

from fake_servers import issue_tracker
from fake_servers.issue_tracker import Issue, seeded_issues, tracker_api
from pytest_mcpsym import Switchboard, Upstream, link, upstream
from pytest_mcpsym.switchboard.target import Era, Transport

pytestmark = pytest.mark.anyio

TOKEN = "tracker-token-5f2c91"
ISSUE = {"number": 7, "title": "It breaks", "author": "ada"}


@pytest.fixture
def api() -> Upstream:
    return upstream("https://tracker.example")


def said(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


def tracker(api: Upstream) -> object:
    return issue_tracker(api=api.url, token=TOKEN, retry_delay=0)


@pytest.mark.parametrize("era", ["handshake", "modern"])
@pytest.mark.parametrize("transport", ["memory", "http"])
@pytest.mark.parametrize("serve", [False, True], ids=["in-process", "loopback"])
async def test_each_tool_works_against_the_api(switchboard: Switchboard, era: Era, transport: Transport, serve: bool) -> None:
    api = upstream("https://tracker.example", tracker_api(seeded_issues(3), token=TOKEN), serve=serve)
    async with switchboard(
        tracker=link(issue_tracker(api=api.url, token=TOKEN), transport=transport), api=api, era=era
    ) as board:
        page = await board.call("tracker__list_issues", limit=2, state="open")
        filed = await board.call("tracker__create_issue", title="New", labels=["bug"])
        await board.call("tracker__add_comment", number=4, body="Seen")
        await board.call("tracker__update_issue", number=4, state="closed")
        read = await board.call("tracker__get_issue", number=4)
        missing = await board.call("tracker__get_issue", number=9)
    assert page.structured_content is not None
    assert filed.structured_content is not None
    assert filed.structured_content["number"] == 4
    assert read.structured_content == {
        **filed.structured_content, "state": "closed", "comments": [{"author": "mcp", "body": "Seen"}]
    }  # fmt: skip  # one line reads as the record that it is
    assert missing.is_error
    assert "there is no issue 9 (the last one is 4)" in said(missing)
    assert board.routes == "host > (tracker > api) x6"


@pytest.mark.parametrize("era", ["handshake", "modern"])
async def test_a_server_in_its_own_process_is_pointed_at_the_loopback(switchboard: Switchboard, era: Era) -> None:
    api = upstream("https://tracker.example", serve=True)
    api.router.get("/issues/7").respond(json=ISSUE)
    target = StdioServerParameters(
        command=sys.executable,
        args=["-m", "fake_servers.issue_tracker"],
        env={"ISSUE_TRACKER_API": api.url, "ISSUE_TRACKER_TOKEN": TOKEN},
    )
    async with switchboard(tracker=target, api=api, era=era) as board:
        result = await board.call("tracker__get_issue", number=7)
    assert result.structured_content == Issue(number=7, title="It breaks", author="ada").model_dump(by_alias=True)
    assert board.routes == "host > tracker > api"
    assert board.routes[0].children[0].evidence == "meta"
    assert TOKEN not in board.transcript()


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (401, {"message": f"bad token {TOKEN}"}, "the tracker refused this server's credentials (401 for GET /issues/7)"),
        (403, {}, "the tracker refused this server's credentials (403 for GET /issues/7)"),
        (404, {"message": "no issue 7 here"}, "no issue 7 here"),
        (404, {}, "the tracker answered GET /issues/7 with 404"),
        (422, {"message": f"{TOKEN} may not"}, "<token> may not"),
        (500, {"message": TOKEN}, "the tracker answered GET /issues/7 with 500 Internal Server Error"),
        (302, {}, "the tracker answered GET /issues/7 with 302 Found"),
        (200, {"number": "x"}, "the tracker's answer to GET /issues/7 is no Issue: number: Input should be a valid integer"),
        (200, {}, "the tracker's answer to GET /issues/7 is no Issue: number: Field required"),
    ],
)
async def test_what_the_api_refuses_is_an_error_result_without_the_token(
    switchboard: Switchboard, api: Upstream, status: int, body: dict[str, object], why: str
) -> None:
    api.router.get("/issues/7").respond(status, json=body)
    async with switchboard(tracker=tracker(api), api=api) as board:
        result = await board.call("tracker__get_issue", number=7)
    assert result.is_error
    assert why in said(result)
    assert all(TOKEN.encode() not in frame.data for frame in board.log.on("tracker"))


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (httpx.ConnectError, "the tracker cannot be reached (GET /issues/7, 3 attempts)"),
        (httpx.ReadTimeout, "the tracker did not answer GET /issues/7 within 10 s"),
        (httpx.RemoteProtocolError, "GET /issues/7 failed: RemoteProtocolError"),
    ],
)
async def test_an_api_that_does_not_answer_is_an_error_result(
    switchboard: Switchboard, api: Upstream, error: type[Exception], why: str
) -> None:
    api.router.get("/issues/7").mock(side_effect=error)
    async with switchboard(tracker=tracker(api), api=api) as board:
        result = await board.call("tracker__get_issue", number=7)
    assert result.is_error
    assert why in said(result)


@pytest.mark.parametrize("first", [429, 502, 503, 504])
async def test_a_read_that_may_succeed_later_is_tried_again(switchboard: Switchboard, api: Upstream, first: int) -> None:
    answers = [httpx.Response(first, headers={"retry-after": "0"}), httpx.Response(200, json=ISSUE)]
    route = api.router.get("/issues/7").mock(side_effect=answers)
    async with switchboard(tracker=tracker(api), api=api) as board:
        assert not (await board.call("tracker__get_issue", number=7)).is_error
    assert route.call_count == 2
    assert board.routes == "host > tracker > api x2"


@pytest.mark.parametrize(("status", "attempts"), [(503, 3), (502, 1)])
async def test_an_issue_is_never_filed_twice(switchboard: Switchboard, api: Upstream, status: int, attempts: int) -> None:
    route = api.router.post("/issues").respond(status)
    async with switchboard(tracker=tracker(api), api=api) as board:
        assert (await board.call("tracker__create_issue", title="Once")).is_error
    assert route.call_count == attempts


async def test_the_token_goes_to_the_api_and_nowhere_else(switchboard: Switchboard, api: Upstream) -> None:
    route = api.router.get("/issues/7").respond(json={**ISSUE, "body": "ok"})
    async with switchboard(tracker=tracker(api), api=api) as board:
        await board.call("tracker__get_issue", number=7)
    assert route.calls.last.request.headers["authorization"] == f"Bearer {TOKEN}"
    assert all(TOKEN.encode() not in frame.data for frame in board.log.frames)
    assert TOKEN not in board.transcript() + board.transcript(normalised=False)


async def test_two_runs_leave_the_same_transcript(switchboard: Switchboard) -> None:
    transcripts: list[str] = []
    for _ in range(2):
        api = upstream("https://tracker.example", tracker_api(seeded_issues(3), token=TOKEN), serve=True)
        async with switchboard(tracker=issue_tracker(api=api.url, token=TOKEN), api=api) as board:
            await board.call("tracker__list_issues")
            await board.call("tracker__get_issue", number=2)
        transcripts.append(board.transcript())
    assert transcripts[0] == transcripts[1]


def test_a_missing_httpx_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ImportError, match=r"needs httpx: pip install 'pytest-mcpsym\[fakes\]'"):
        issue_tracker(api="https://tracker.example", token=TOKEN)


def test_half_an_environment_is_one_line() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "fake_servers.issue_tracker"],
        env={**os.environ, "ISSUE_TRACKER_API": "https://tracker.example"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = "mcpsym serve: the API wants a bearer token: give api and token (ISSUE_TRACKER_API and ISSUE_TRACKER_TOKEN), or neither\n"
    assert (ran.returncode, ran.stderr) == (2, said)

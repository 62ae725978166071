"""`mcpsym serve --fault` over HTTP: what a client in any language meets. Raw requests, so that nothing of ours is between."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest

from fake_servers.mutants import Peer
from fake_servers.mutants.carriers import Carried
from pytest_mcpsym.errors import UsageError
from pytest_mcpsym.fakes import clock
from pytest_mcpsym.faults import parse
from pytest_mcpsym.serving.faulty_app import FaultyApp
from pytest_mcpsym.serving.served import HttpOptions, served
from pytest_mcpsym.transport.asgi import ASGIApp, asgi_transport
from tests.serving.listening import listening

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """What uvicorn runs an app on."""
    return "asyncio"


META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
HEADERS = {
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
}


def call(name: str, ident: object = 1, meta: dict[str, object] | None = None, **arguments: object) -> bytes:
    params = {"name": name, "arguments": arguments, "_meta": {**META, **(meta or {})}}
    return json.dumps({"jsonrpc": "2.0", "id": ident, "method": "tools/call", "params": params}).encode()


COUNT = call("count", 1, {"progressToken": "p"}, to=2)
FORMS = ("stream", "json")


def app_of(form: str) -> ASGIApp:
    """A peer that answers on event streams, or the SDK's clock, which answers in JSON."""
    return Carried(Peer()).app if form == "stream" else served(clock()).app(HttpOptions(json_response=True))


@asynccontextmanager
async def client_of(app: ASGIApp, *faults: str) -> AsyncGenerator[httpx2.AsyncClient]:
    faulty = FaultyApp(app, [parse(fault, "mcpsym serve over HTTP") for fault in faults])
    async with (
        asgi_transport(faulty) as transport,
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=HEADERS, timeout=20) as client,
    ):
        yield client


def body_of(form: str) -> tuple[bytes, dict[str, str]]:
    return (COUNT, {"mcp-name": "count"}) if form == "stream" else (call("now"), {"mcp-name": "now"})


def messages(response: httpx2.Response) -> list[dict[str, object]]:
    """The messages of a response, whichever form it has."""
    if response.headers["content-type"].startswith("application/json"):
        return [response.json()]
    return [json.loads(line.removeprefix("data: ")) for line in response.text.splitlines() if line.startswith("data: ")]


def answers(response: httpx2.Response) -> list[object]:
    return [message["id"] for message in messages(response) if "result" in message]


async def asked(form: str, *faults: str) -> httpx2.Response:
    """The response to one call."""
    async with client_of(app_of(form), *faults) as client:
        body, headers = body_of(form)
        return await client.post("/mcp", content=body, headers=headers)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("fault", "ids"),
    [
        ("delay seconds=0.01", [1]),
        ("slow rate=1000000", [1]),
        ("duplicate to-client tools/call", [1, 1]),
        ("duplicate to-server", [1]),
        ("reorder to-client tools/call seconds=0.01", [1]),
        ("reorder to-server seconds=0.01", [1]),
        ("id-type to-client tools/call", ["1"]),
        ("split to-client seconds=0.001", [1]),
        ("split to-client at=framing pieces=9 seconds=0.001", [1]),
        ("coalesce seconds=0.01", [1]),
        ("unknown-notification to-client tools/call", [1]),
        ("unknown-notification to-server", [1]),
        ("unsolicited-request to-server", [1]),
        ("wrong-token to-client", [1]),
        ("stall seconds=0.01", [1]),
    ],
)
async def test_a_client_gets_what_a_fault_left_of_an_answer(form: str, fault: str, ids: Sequence[object]) -> None:
    assert answers(await asked(form, fault)) == ids


@pytest.mark.parametrize(
    ("fault", "comes"), [("unknown-notification", "notifications/fault-of-a-link"), ("unsolicited-request", "ping")]
)
@pytest.mark.parametrize("form", FORMS)
async def test_what_is_made_up_comes_behind_an_answer(form: str, fault: str, comes: str) -> None:
    got = messages(await asked(form, f"{fault} to-client tools/call what=answer"))
    assert ("result" in got[-2], got[-1]["method"]) == (True, comes)


@pytest.mark.parametrize(("fault", "steps"), [
    ("reorder to-client notifications/progress nth=1", [2, 1]),
    ("drop to-client notifications/progress", []),
    ("duplicate to-client notifications/progress nth=2", [1, 2, 2]),
    ("late-progress", [1, 2, 1_000_000]),
])  # fmt: skip
async def test_a_fault_is_done_to_the_notifications_of_a_stream(fault: str, steps: list[int]) -> None:
    got = [message.get("params") for message in messages(await asked("stream", fault))]
    assert [params["progress"] for params in got if isinstance(params, dict)] == steps


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["truncate", "corrupt"])
async def test_an_answer_is_no_json(form: str, kind: str) -> None:
    response = await asked(form, f"{kind} to-client tools/call what=answer")
    with pytest.raises(json.JSONDecodeError):
        messages(response)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fault", ["drop to-client tools/call what=answer", "drop to-server", "stall"])
async def test_a_client_waits_for_what_is_lost_until_it_goes(form: str, fault: str) -> None:
    with anyio.move_on_after(0.2) as waited:
        await asked(form, fault)
    assert waited.cancelled_caught


@pytest.mark.parametrize("code", [401, 404, 503])
async def test_a_status_says_whose_doing_it_is(code: int) -> None:
    response = await asked("json", f"status code={code}")
    assert (response.status_code, response.text) == (code, f"done on purpose: status to-server code={code}\n")


async def test_a_client_that_follows_a_redirect_is_answered() -> None:
    async with client_of(app_of("json"), "redirect") as client:
        body, headers = body_of("json")
        response = await client.post("/mcp", content=body, headers=headers, follow_redirects=True)
    assert [each.status_code for each in response.history] == [307]
    assert answers(response) == [1]


async def test_what_each_fault_did_is_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    await asked("json", "delay seconds=0", "id-type to-client")
    assert capsys.readouterr().err.splitlines() == [
        "fault: delay to-client seconds=0.0: tools/call (id 1): held back for 0 s",
        'fault: id-type to-client: tools/call (id 1): has the id "1"',
    ]


@pytest.mark.parametrize("fault", ["half-close", "coalesce to-server", "split to-server"])
def test_what_cannot_be_over_http_is_refused(fault: str) -> None:
    with pytest.raises(UsageError, match="mcpsym serve over HTTP"):
        FaultyApp(app_of("json"), [parse(fault)])


@pytest.mark.parametrize(
    ("fault", "error"),
    [("reset", httpx2.ReadError), ("cut", httpx2.RemoteProtocolError), ("exit", httpx2.TransportError)],
)
def test_a_connection_breaks_on_a_socket(fault: str, error: type[Exception]) -> None:
    with listening("clock", "--http", "0", "--json-response", "--fault", fault) as url, pytest.raises(error):
        httpx2.post(url, content=call("now"), headers={**HEADERS, "mcp-name": "now"}, timeout=20)


async def test_faults_are_done_on_the_stream_of_http_with_sse() -> None:
    from mcp import Client
    from mcp.client.sse import sse_client

    faults = ("--fault", "duplicate to-client tools/call", "--fault", "split seconds=0.001 pieces=7")
    with listening("clock", "--sse", "0", *faults, "--fault", "status notifications/cancelled") as url:
        async with Client(sse_client(url), mode="legacy") as client:
            answer = await client.call_tool("now", {})
    assert not answer.is_error

"""`everything` over Streamable HTTP is `@modelcontextprotocol/server-everything` over Streamable HTTP: one raw client asks both the same.

Compared are the status, the headers that mean something, whether events have ids, and the messages, prose aside.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack

import pytest

from tests.peers.parity import parted
from tests.peers.provision import npm_peer
from tests.peers.raw import handshake, request
from tests.peers.raw_http import Event, Http, Reply, free_port, served

ACCEPTED = {
    "an unknown session": "a session that is not there is 404 in the specification; the reference says 400",
    "a stream of an unknown session": "as above",
    "after the end": "as above",
    "the end again": "as above",
    "a stream without a session": "an error that answers nothing has the id null in JSON-RPC; the reference leaves the id out here",
    "the end without a session": "as above",
    "a method that is none": "what is not allowed is 405 in HTTP; the reference has a page of HTML with 404",
    "a batch": "only the revision 2025-03-26 has batches; the reference takes them in any",
    "an empty batch": "as above, with the error that a batch has",
    "initialize in a batch": "as above",
    "a foreign host": "the reference lets every host in, so that a page in a browser may be led to it (DNS rebinding)",
    "a foreign origin": "as above",
    "a browser's question": "as above: the reference lets pages of every origin in",
}
"""Where the reference is unsafe or breaks the specification; nothing else differs."""

INIT, INITIALIZED = handshake({})
PING = request(1, "ping")
NOW = "2025-11-25"


def bare(http: Http) -> dict[str, Reply]:
    """Requests that belong to no session."""
    return {
        "no accept": http.send("POST", INIT, accept=None),
        "accept of JSON": http.send("POST", INIT, accept="application/json"),
        "accept of a stream": http.send("POST", INIT, accept="text/event-stream"),
        "a text": http.send("POST", INIT, content_type="text/plain"),
        "no JSON": http.send("POST", raw=b"{nope"),
        "initialize in a batch": http.send("POST", [INIT]),
        "an empty batch": http.send("POST", []),
        "a request without a session": http.send("POST", PING),
        "a notification without a session": http.send("POST", INITIALIZED),
        "an unknown session": http.send("POST", PING, mcp_session_id="none"),
        "a stream without a session": http.send("GET"),
        "a stream of an unknown session": http.send("GET", mcp_session_id="none"),
        "the end without a session": http.send("DELETE"),
        "a method that is none": http.send("PUT", INIT),
        "a foreign host": http.send("POST", INIT, host="evil.example"),
        "a foreign origin": http.send("POST", INIT, origin="http://evil.example"),
        "a browser's question": http.send("OPTIONS", origin="http://evil.example", access_control_request_method="POST"),
        "initialize": http.send("POST", INIT),
    }


def within(http: Http) -> dict[str, Reply]:
    """Requests of one session, from its beginning to its end."""
    begun = http.send("POST", INIT)
    http.session = begun.headers["mcp-session-id"]
    replies = {
        "initialized": http.send("POST", INITIALIZED),
        "initialize again": http.send("POST", INIT),
        "a request": http.send("POST", PING),
        "a request of this revision": http.send("POST", PING, mcp_protocol_version=NOW),
        "a request of an older revision": http.send("POST", PING, mcp_protocol_version="2025-06-18"),
        "a request of no revision": http.send("POST", PING, mcp_protocol_version="1999-01-01"),
        "a method that the server has not": http.send("POST", request(2, "no/such")),
        "a call": http.send("POST", request(3, "tools/call", {"name": "echo", "arguments": {"message": "hi"}})),
        "an answer to nothing": http.send("POST", {"jsonrpc": "2.0", "id": 5, "result": {}}),
        "a batch": http.send("POST", [request(7, "ping"), request(8, "ping")]),
        "a stream without accept": http.send("GET", accept="application/json"),
    }
    stream = http.open("GET")
    replies["a second stream"] = http.send("GET")
    stream.close()
    replies["the end"] = http.send("DELETE")
    replies["after the end"] = http.send("POST", PING)
    replies["the end again"] = http.send("DELETE")
    return replies


def facts(reply: Reply) -> dict[str, object]:
    """What is compared of a response, the messages aside."""
    kind = reply.headers.get("content-type", "").partition(";")[0]
    return {
        "status": reply.status,
        "content-type": kind,
        "cache-control": reply.headers.get("cache-control"),
        "has session": "mcp-session-id" in reply.headers,
        "events": [(event.id is not None, bool(event.data)) for event in reply.events],
    }


def messages(reply: Reply) -> list[bytes]:
    if reply.events:
        return [event.data for event in reply.events if event.data]
    return [reply.body] if reply.body.startswith(b"{") else []


@pytest.fixture(scope="module")
def ports() -> Generator[tuple[int, int]]:
    """The port of the reference, and of ours."""
    theirs, mine = free_port(), free_port()
    ours = [sys.executable, "-m", "fake_servers.everything", "--http", str(mine)]
    with ExitStack() as stack:
        env = {**os.environ, "PORT": str(theirs)}
        stack.enter_context(served(npm_peer("server-everything", "streamableHttp"), env, port=theirs))
        stack.enter_context(served(ours, port=mine))
        yield theirs, mine


@pytest.mark.parametrize("talk", [bare, within])
def test_every_response_is_that_of_the_reference(ports: tuple[int, int], talk: Callable[[Http], dict[str, Reply]]) -> None:
    theirs, mine = (talk(Http(port)) for port in ports)
    differing = [
        name
        for name, reply in theirs.items()
        if facts(reply) != facts(mine[name]) or parted(messages(reply), messages(mine[name]))
    ]
    assert differing == [name for name in theirs if name in ACCEPTED]


def session(port: int, capabilities: dict[str, object]) -> Http:
    """Begin a session; `initialized` is not said yet."""
    http = Http(port)
    http.session = http.send("POST", handshake(capabilities)[0]).headers["mcp-session-id"]
    return http


def test_what_belongs_to_no_request_comes_on_the_stream_of_the_session(ports: tuple[int, int]) -> None:
    said: list[list[bytes]] = []
    for port in ports:
        http = session(port, {"roots": {"listChanged": True}})
        stream = http.open("GET", mcp_protocol_version=NOW)
        assert http.send("POST", INITIALIZED, mcp_protocol_version=NOW).status == 202
        events = [stream.next() for _ in range(3)]
        http.send("POST", {"jsonrpc": "2.0", "id": 0, "result": {"roots": [{"uri": "file:///a"}]}})
        events.append(stream.next())
        assert all(event.id for event in events)
        said.append([event.data for event in events])
        stream.close()
    assert parted(*said) == []


def test_what_a_call_asks_comes_on_the_stream_of_its_own_response(ports: tuple[int, int]) -> None:
    said: list[list[bytes]] = []
    for port in ports:
        http = session(port, {"elicitation": {}})
        http.send("POST", INITIALIZED)
        call = request(1, "tools/call", {"name": "trigger-elicitation-request", "arguments": {}})
        stream = http.open("POST", call, mcp_protocol_version=NOW)
        asked = stream.next()
        answer = {"jsonrpc": "2.0", "id": 0, "result": {"action": "accept", "content": {"name": "Ada"}}}
        assert http.send("POST", answer).status == 202
        said.append([asked.data, stream.next().data])
        stream.close()
    assert parted(*said) == []


def test_a_stream_that_broke_goes_on_where_it_broke(ports: tuple[int, int]) -> None:
    said: list[list[bytes]] = []
    for port in ports:
        http = session(port, {"elicitation": {}})
        http.send("POST", INITIALIZED)
        call = request(1, "tools/call", {"name": "trigger-elicitation-request", "arguments": {}})
        stream = http.open("POST", call, mcp_protocol_version=NOW)
        asked: Event = stream.next()
        stream.close()
        http.send("POST", {"jsonrpc": "2.0", "id": 0, "result": {"action": "cancel"}})
        resumed = http.open("GET", last_event_id=asked.id, mcp_protocol_version=NOW)
        said.append([asked.data, resumed.next().data])
        resumed.close()
    assert parted(*said) == []


def left(http: Http) -> Event:
    """Open the stream of a session, leave it after its first event, and return that."""
    stream = http.open("GET", mcp_protocol_version=NOW)
    http.send("POST", INITIALIZED)
    event = stream.next()
    stream.close()
    return event


def test_a_stream_that_goes_on_has_nothing_of_another_session(ports: tuple[int, int]) -> None:
    for port in ports:
        one, other = session(port, {}), session(port, {})
        last, _ = left(one), left(other)
        other.send("POST", request(1, "resources/subscribe", {"uri": "demo://other"}))
        one.send("POST", request(1, "resources/subscribe", {"uri": "demo://one"}))
        resumed = one.open("GET", last_event_id=last.id, mcp_protocol_version=NOW)
        assert b"demo://one" in resumed.next().data
        resumed.close()

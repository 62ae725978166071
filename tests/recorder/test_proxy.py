"""What `recorder/proxy.py` promises: over sockets, neither side can tell that it is recorded, and the messages are in the file."""

from __future__ import annotations

import gzip
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pytest_mcpsym.wire.reading import read
from pytest_mcpsym.wire.recording import Recording

LIMIT = 30
"""Seconds that anything may take."""

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
PONG = b'{"jsonrpc":"2.0","id":1,"result":{}}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "talk.jsonl"


def found(path: Path) -> Recording:
    return read(path.read_bytes(), path.name)


def frames(path: Path) -> list[tuple[str, bytes, int | None, str | None]]:
    return [
        (frame.direction, frame.data, frame.envelope.status, frame.envelope.event_id)
        for frame in found(path).log.frames
        if frame.envelope is not None
    ]


def events(path: Path) -> list[tuple[object, ...]]:
    notes = [note.data for note in found(path).log.notes if note.channel == "http"]
    return [(note["exchange"], note["event"], note.get("by") or note.get("status") or note.get("method")) for note in notes]


def written(path: Path, *event: object) -> None:
    """Wait until an event is the last in the file: the recorder may pass on what it saw before it has written it."""
    end = time.monotonic() + LIMIT
    while events(path)[-1] != event:
        assert time.monotonic() < end, events(path)
        time.sleep(0.01)


@contextmanager
def recorded(path: Path, url: str) -> Generator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-m", "pytest_mcpsym", "record", str(path), "--http", url]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = re.search(r"http://127\.0\.0\.1:(\d+)", process.stderr.readline())
            assert said is not None
            yield process, int(said[1])
            process.terminate()
            assert process.wait(LIMIT) == 128 + signal.SIGTERM
        finally:
            process.kill()


@pytest.fixture
def server() -> Generator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LIMIT)
        yield listener


@contextmanager
def talk(path: Path, server: socket.socket) -> Generator[tuple[socket.socket, socket.socket, int]]:
    """One connection through a recorder: its two ends, and the recorder's port."""
    url = f"http://127.0.0.1:{server.getsockname()[1]}/mcp"
    with recorded(path, url) as (_, port), socket.create_connection(("127.0.0.1", port), LIMIT) as client:
        peer, _ = server.accept()
        peer.settimeout(LIMIT)
        with peer:
            yield client, peer, port


def received(end: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (chunk := end.recv(count - len(data))):
        data += chunk
    return data


def post(body: bytes = PING, *headers: bytes, host: bytes = b"example.org") -> bytes:
    lines = [b"POST /mcp?x=1 HTTP/1.1", b"hOsT:  " + host, *headers, b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, b"", body])


def response(body: bytes, *headers: bytes, kind: bytes = b"application/json", status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"content-type: " + kind, *headers, b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, b"", body])


def test_requests_and_responses_pass_as_they_are_and_are_kept(path: Path, server: socket.socket) -> None:
    asked = post(PING, b"X-Odd:  two  spaces ", b"mcp-session-id: a")
    with talk(path, server) as (client, peer, _):
        for _ in range(2):
            client.sendall(asked)
            assert received(peer, len(asked)) == asked
            peer.sendall(response(PONG))
            assert received(client, len(response(PONG))) == response(PONG)
        kept = frames(path)
    assert kept == [("to-server", PING, None, None), ("to-client", PONG, 200, None)] * 2
    assert events(path)[:3] == [(1, "request", "POST"), (1, "response", 200), (1, "closed", "peer")]


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_chunked_and_pipelined_requests_pass_however_they_are_cut(path: Path, server: socket.socket, size: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    said = (head + b"%x;ext=1\r\n" % len(PING) + PING + b"\r\n0\r\n\r\n") * 2 + post()
    with talk(path, server) as (client, peer, _):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(said), size):
            client.sendall(said[start : start + size])
        assert received(peer, len(said)) == said
        peer.sendall(response(PONG) * 3)
        assert received(client, 3 * len(response(PONG))) == response(PONG) * 3
    assert sorted(frames(path)) == sorted([("to-server", PING, None, None), ("to-client", PONG, 200, None)] * 3)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_name_of_the_recorder_becomes_that_of_the_server(path: Path, server: socket.socket, name: str) -> None:
    with talk(path, server) as (client, peer, port):
        own, other = f"{name}:{port}".encode(), f"127.0.0.1:{server.getsockname()[1]}".encode()
        client.sendall(post(PING, b"Origin: http://" + own, host=own))
        expected = post(PING, b"Origin: http://" + other, host=other)
        assert received(peer, len(expected)) == expected


@pytest.mark.parametrize("name", [b"evil.example.com", b"127.0.0.1:1", b"localhost", b"evil.example.com:80"])
def test_a_foreign_name_stays_foreign(path: Path, server: socket.socket, name: bytes) -> None:
    with talk(path, server) as (client, peer, _):
        client.sendall(post(PING, b"Origin: http://" + name, host=name))
        expected = post(PING, b"Origin: http://" + name, host=name)
        assert received(peer, len(expected)) == expected


def test_a_stream_arrives_event_by_event_and_its_ids_are_kept(path: Path, server: socket.socket) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    with talk(path, server) as (client, peer, _):
        client.sendall(b"GET /mcp HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 7\r\n\r\n")
        assert b"Last-Event-ID: 7" in peer.recv(9999)
        peer.sendall(head)
        assert received(client, len(head)) == head
        for number in (8, 9):
            event = b"id: %d\r\ndata: %b\r\n\r\n" % (number, PING)
            event = b"%x\r\n" % len(event) + event + b"\r\n"
            peer.sendall(event)
            assert received(client, len(event)) == event
            assert frames(path)[-1] == ("to-client", PING, 200, str(number))
        client.close()
        assert peer.recv(1) == b""  # the server learns that its client left
    assert events(path)[-1] == (1, "closed", "host")


def test_a_server_that_breaks_off_breaks_off_at_the_client(path: Path, server: socket.socket) -> None:
    with talk(path, server) as (client, peer, _):
        client.sendall(post())
        received(peer, len(post()))
        half = response(PONG)[:-5]
        peer.sendall(half)
        peer.close()
        assert received(client, 9999) == half
        written(path, 1, "closed", "peer")
    assert [frame[0] for frame in frames(path)] == ["to-server"]


def test_a_body_without_a_length_ends_with_the_connection(path: Path, server: socket.socket) -> None:
    said = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + PONG
    with talk(path, server) as (client, peer, _):
        client.sendall(post())
        received(peer, len(post()))
        peer.sendall(said)
        peer.close()
        assert received(client, 9999) == said
    assert frames(path)[-1] == ("to-client", PONG, 200, None)


def test_a_compressed_answer_passes_compressed_and_is_kept_as_it_reads(path: Path, server: socket.socket) -> None:
    said = response(gzip.compress(PONG), b"Content-Encoding: gzip")
    with talk(path, server) as (client, peer, _):
        client.sendall(post())
        received(peer, len(post()))
        peer.sendall(said)
        assert received(client, len(said)) == said
    assert frames(path)[-1] == ("to-client", PONG, 200, None)


@pytest.mark.parametrize("status", [b"202 Accepted", b"400 Bad Request", b"404 Not Found", b"421 Misdirected Request"])
def test_what_is_no_message_passes_and_is_no_frame(path: Path, server: socket.socket, status: bytes) -> None:
    said = response(b"no such session", kind=b"text/plain", status=status)
    with talk(path, server) as (client, peer, _):
        client.sendall(b"DELETE /mcp HTTP/1.1\r\nHost: a\r\n\r\n")
        peer.recv(9999)
        peer.sendall(said)
        assert received(client, len(said)) == said
    assert events(path) == [(1, "request", "DELETE"), (1, "response", int(status[:3])), (1, "closed", "peer")]
    assert frames(path) == []


def test_what_is_no_http_passes_all_the_same(path: Path, server: socket.socket) -> None:
    with talk(path, server) as (client, peer, _):
        client.sendall(b"hello\r\n\r\nworld")
        assert received(peer, 14) == b"hello\r\n\r\nworld"
        peer.sendall(b"good bye")
        assert received(client, 8) == b"good bye"


def test_a_credential_is_passed_on_and_not_kept(path: Path, server: socket.socket) -> None:
    said = post(PING, b"Authorization: Bearer secret-token-42", b"Cookie: sid=cookie-value-43")
    with talk(path, server) as (client, peer, _):
        client.sendall(said)
        assert received(peer, len(said)) == said
    assert "secret-token-42" not in path.read_text("utf-8")
    assert "cookie-value-43" not in path.read_text("utf-8")


def test_a_server_that_is_not_there_is_told_and_looks_so(path: Path, server: socket.socket) -> None:
    port = server.getsockname()[1]
    server.close()
    with recorded(path, f"http://127.0.0.1:{port}/mcp") as (process, own):
        with socket.create_connection(("127.0.0.1", own), LIMIT) as client, suppress(ConnectionResetError):
            assert client.recv(1) == b""
        assert process.stderr is not None
        assert "cannot reach the server" in process.stderr.readline()

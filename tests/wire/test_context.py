"""What entered whose context, computed from the log."""

from __future__ import annotations

import json

import pytest

from pytest_mcpsym.wire.context import Context, context
from pytest_mcpsym.wire.log import WireLog


def ask(log: WireLog, ident: int, method: str = "tools/call", link: str = "a", **params: object) -> None:
    log.frame(link, "to-server", json.dumps({"jsonrpc": "2.0", "id": ident, "method": method, "params": params}).encode())


def tell(log: WireLog, ident: int, link: str = "a", /, **result: object) -> None:
    log.frame(link, "to-client", json.dumps({"jsonrpc": "2.0", "id": ident, "result": result}).encode())


@pytest.mark.parametrize(
    ("result", "read"),
    [
        ({"content": [{"type": "text", "text": "møøse"}]}, 7),
        ({"content": [{"type": "text", "text": "12345"}], "structuredContent": {"n": 12345}}, 5),
        ({"content": [], "structuredContent": {"n": 1}}, 7),
        ({"content": [{"type": "image", "data": "QUJD", "mimeType": "image/png"}]}, 4),
        ({"content": [{"type": "resource", "resource": {"uri": "a:b", "blob": "QUJDRA=="}}]}, 8),
        ({"content": [{"type": "resource_link", "uri": "a:b", "name": "b", "_meta": {"x": 1}}]}, 47),
        ({"content": [{"type": "text", "text": "ab"}, {"type": "text", "text": "c"}]}, 3),
    ],
)
def test_what_a_result_shows_is_counted(result: dict[str, object], read: int) -> None:
    log = WireLog()
    ask(log, 1, name="t", arguments={"a": 1})
    tell(log, 1, "a", **result)
    (shown,) = context(log)
    assert (shown.caller, shown.callee, shown.target, shown.written, shown.read) == ("host", "a", "t", 7, read)
    assert shown.tokens == -(-(7 + read) // 4)


def test_an_error_shows_its_message() -> None:
    log = WireLog()
    ask(log, 1, name="t")
    log.frame("a", "to-client", b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no","data":"not shown"}}')
    assert context(log).bytes == 2


def test_a_prompt_shows_its_messages() -> None:
    log = WireLog()
    ask(log, 1, "prompts/get", name="p")
    tell(log, 1, messages=[{"role": "user", "content": {"type": "text", "text": "hello"}}])
    assert context(log).bytes == 5


def forwarded(method: str, result: dict[str, object], **params: object) -> WireLog:
    """A server's request on link `a`, forwarded to `b`, while it handles a call of the host."""
    log = WireLog()
    ask(log, 1, name="t")
    data = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": {"dev.mcpsym/cause": 1}}}
    asked = log.frame("a", "to-client", json.dumps(data).encode())
    ask(log, 1, method, "b", **params)
    log.cause(log.frames[-1], asked, "routed")
    tell(log, 1, "b", **result)
    log.frame("a", "to-server", json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode())
    tell(log, 1, content=[{"type": "text", "text": "done"}])
    return log


def test_what_a_server_reads_from_another_enters_no_context() -> None:
    log = forwarded("resources/read", {"contents": [{"uri": "x:y", "text": "z" * 1000}]}, uri="x:y")
    assert [(each.caller, each.bytes) for each in context(log)] == [("host", 4)]


def test_what_the_host_reads_enters_its_own() -> None:
    log = WireLog()
    ask(log, 1, "resources/read", uri="x:y")
    tell(log, 1, contents=[{"uri": "x:y", "text": "12345678"}])
    assert context(log).of("host").bytes == 8


def test_what_a_server_calls_enters_that_servers() -> None:
    found = context(forwarded("tools/call", {"content": [{"type": "text", "text": "123"}]}, name="u"))
    assert (found.of("host").bytes, found.of("a").bytes, found.of("b")) == (4, 3, Context())


def test_a_call_in_legs_shows_its_last_answer() -> None:
    log = WireLog()
    ask(log, 1, name="t", arguments={})
    tell(log, 1, resultType="dev.mcpsym/calls", continuation="c", calls={"k": {"method": "roots/list"}})
    ask(log, 2, "dev.mcpsym/continue", continuation="c", responses={})
    tell(log, 2, content=[{"type": "text", "text": "123456"}])
    (shown,) = context(log)
    assert (shown.written, shown.read, shown.frame) == (2, 6, 0)


def test_it_is_told_line_by_line() -> None:
    log = WireLog()
    ask(log, 1, name="t", arguments={})
    assert str(context(log)) == "host > a  t  2 bytes, about 1 tokens"
    assert str(Context()) == "nothing entered a context"

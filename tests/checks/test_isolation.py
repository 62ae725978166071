"""The isolation of links: in which shapes a credential is found elsewhere, and what is nobody's own."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from pytest_mcpsym.checks import Finding, Registry, run
from pytest_mcpsym.checks.isolation import credential_shown
from pytest_mcpsym.wire.frame import Envelope
from tests.wire.strategies import Telling, raw

SECRET = "canary/7f3a+9c41=d8e2"


def opened(*links: str, value: str = f"Bearer {SECRET}", name: str = "Authorization") -> Telling:
    """A log in which each link has a credential in its headers."""
    telling = Telling()
    for link in links:
        request = raw(id=0, method="tools/call", params={"name": "hold"})
        frame = telling.log.frame(link, "to-server", request, Envelope(1, ((name, value),)))
        telling.answer(frame)
    return telling


def crossed(telling: Telling) -> list[Finding]:
    return [finding for finding in run(telling.log) if finding.check == "isolation:credential-crossed"]


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        quote(SECRET, safe=""),
        *(base64.b64encode(b"x" * pad + SECRET.encode() + b"!").decode() for pad in range(3)),
        base64.urlsafe_b64encode(b"xx" + SECRET.encode()).decode(),
        SECRET.encode().hex(),
        json.dumps({"inner": json.dumps({"token": SECRET})}),
    ],
)
def test_a_credential_of_one_link_on_another_is_an_error_in_each_encoding(text: str) -> None:
    telling = opened("vault")
    telling.answer(telling.call("weather", 1), content=[{"type": "text", "text": text}])
    (finding,) = crossed(telling)
    assert (finding.severity, finding.link, finding.frames, finding.route) == ("error", "weather", (3,), "host > weather")
    assert finding.message == "weather: the server sent the authorization of the link 'vault'"


@pytest.mark.parametrize("escape", [SECRET.replace("/", "\\/"), "".join(f"\\u{ord(char):04x}" for char in SECRET)])
def test_a_credential_that_is_spelled_with_escapes_is_found(escape: str) -> None:
    telling = opened("vault")
    call = telling.call("weather", 1)
    telling.frame("weather", "to-client", b'{"jsonrpc":"2.0","id":1,"result":{"text":"' + escape.encode() + b'"}}')
    assert len(crossed(telling)) == 1
    assert call.seq == 2


def test_a_credential_split_over_two_content_blocks_is_found() -> None:
    telling = opened("vault")
    halves = [{"type": "text", "text": SECRET[:9]}, {"type": "text", "text": SECRET[9:]}]
    telling.answer(telling.call("weather", 1), content=halves)
    assert len(crossed(telling)) == 1


def test_a_credential_on_standard_error_of_another_link_is_found() -> None:
    telling = opened("vault")
    telling.log.note("weather", "stderr", text=f"calling with {SECRET}")
    assert [finding.message for finding in crossed(telling)] == [
        "weather: the side channel stderr showed the authorization of the link 'vault'"
    ]


def test_a_credential_that_was_forwarded_to_another_link_is_found() -> None:
    telling = opened("vault")
    asked = telling.request("vault", "to-client", 5, params={"name": "weather__tool", "arguments": {"key": SECRET}})
    sent = telling.request("weather", "to-server", 1, params={"name": "tool", "arguments": {"key": SECRET}})
    telling.caused(sent, asked)
    assert [(finding.link, finding.frames) for finding in crossed(telling)] == [("weather", (sent.seq,))]


def test_a_session_id_on_another_link_is_found() -> None:
    telling = opened("vault", value="0123456789abcdef", name="Mcp-Session-Id")
    telling.answer(telling.call("weather", 1), error="no session 0123456789abcdef")
    assert "session id" in crossed(telling)[0].message


def test_a_credential_on_its_own_link_is_no_finding() -> None:
    telling = opened("vault")
    telling.answer(telling.call("vault", 1), text=SECRET)
    assert crossed(telling) == []


def test_a_credential_that_two_links_were_given_is_no_finding() -> None:
    telling = opened("vault", "weather")
    telling.answer(telling.call("clock", 1), text=SECRET)
    assert crossed(telling) == []


def test_what_the_host_itself_sent_to_a_link_is_no_finding_there() -> None:
    telling = opened("vault")
    telling.answer(
        telling.request("weather", "to-server", 1, params={"name": "login", "arguments": {"k": SECRET}}), text=SECRET
    )
    assert crossed(telling) == []


@pytest.mark.parametrize("value", ["Bearer short", "Bearer <authorization:1>"])
def test_short_values_and_placeholders_are_no_canaries(value: str) -> None:
    telling = opened("vault", value=value)
    telling.answer(telling.call("weather", 1), text=value.split(" ")[1])
    assert crossed(telling) == []


def test_a_credential_without_any_long_word_is_found() -> None:
    value = "ab cd!ef gh!ij kl"
    telling = opened("vault", value=value, name="X-Api-Key")
    telling.answer(telling.call("weather", 1), text=f"it is {value}")
    assert len(crossed(telling)) == 1


def test_a_word_that_was_clean_before_hides_no_credential_after_it() -> None:
    telling = opened("vault")
    for _ in range(2):
        telling.answer(telling.call("weather", 1), text="somewhere")
    telling.answer(telling.call("weather", 2), text=f"somewhere {SECRET} somewhere")
    assert len(crossed(telling)) == 1


def shown(telling: Telling) -> list[str]:
    return [finding.message for finding in run(telling.log, Registry([credential_shown]))]


def test_a_credential_in_the_servers_own_standard_error_is_found() -> None:
    telling = opened("vault")
    telling.log.note("vault", "stderr", text=f"using {SECRET}")
    assert shown(telling) == ["vault: standard error shows the link's own authorization"]


def test_a_credential_in_a_log_notification_is_found() -> None:
    telling = opened("vault")
    telling.notify("vault", "to-client", "message", level="info", data=SECRET)
    assert shown(telling) == ["vault: a log notification shows the link's own authorization"]


def test_a_credential_in_an_error_is_found_with_its_route() -> None:
    telling = opened("vault")
    telling.answer(telling.call("vault", 1), "error", message=f"cannot use {SECRET}")
    (finding,) = run(telling.log, Registry([credential_shown]))
    assert (finding.message, finding.route) == ("vault: an error shows the link's own authorization", "host > vault")


def test_a_credential_in_a_result_of_its_own_link_is_no_finding() -> None:
    telling = opened("vault")
    telling.answer(telling.call("vault", 1), text=SECRET)
    assert shown(telling) == []


def test_a_server_may_log_its_session_id() -> None:
    telling = opened("vault", value=SECRET, name="Mcp-Session-Id")
    telling.log.note("vault", "stderr", text=f"new session {SECRET}")
    assert shown(telling) == []


def test_a_credential_in_the_error_of_a_tool_is_found() -> None:
    telling = opened("weather")
    telling.answer(telling.call("weather", 1), isError=True, content=[{"type": "text", "text": f"401 for ?key={SECRET}"}])
    assert shown(telling) == ["weather: the error of a tool shows the link's own authorization"]


ESCAPED = "".join(f"\\u{ord(letter):04X}" for letter in SECRET)


def test_a_credential_spelled_with_escapes_is_found_on_standard_error_and_split_over_blocks() -> None:
    telling = opened("weather")
    telling.log.note("clock", "stderr", text=f'{{"token": "{ESCAPED}"}}')
    blocks = [{"type": "text", "text": ESCAPED[:33]}, {"type": "text", "text": ESCAPED[33:]}]
    telling.answer(telling.call("clock", 1), content=blocks)
    assert len(crossed(telling)) == 2

"""What `wire/held.py` promises: a given value is found in whatever spelling, and named by its place only."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.wire.held import refuse_secrets
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.recording import Head, LinkHead, RecordingError, write
from pytest_mcpsym.wire.redact import Rules, redact

HEAD = Head("t", (LinkHead("weather", "handshake", "stdio"),), "mcp 2.3.0", "2026-01-31")
SECRET = 's3cret/"välue" of 1'


def _file(message: bytes) -> bytes:
    log = WireLog(clock=lambda: 0.0)
    log.frame("weather", "to-server", b"{}")
    log.frame("weather", "to-client", message)
    return write(log, HEAD)


def _refusal(message: object, secret: str = SECRET) -> str:
    with pytest.raises(RecordingError) as caught:
        refuse_secrets(_file(json.dumps(message).encode()), [("WEATHER_KEY", secret)], "w.jsonl")
    assert secret not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"before {SECRET} after",
        quote(SECRET),
        quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(f"user:{SECRET}!".encode()).decode(),
        f"0x{SECRET.encode().hex()}",
        json.dumps({"deep": [SECRET]}),
        json.dumps(json.dumps({"deep": SECRET})),
    ],
)
def test_a_value_is_found_in_whatever_spelling(text: str) -> None:
    assert re.match(r"w\.jsonl:3: json\.a(\.deep)?(\[0\])? still holds the value of WEATHER_KEY", _refusal({"a": text}))


def test_the_refusal_names_line_path_and_remedy() -> None:
    assert _refusal({"result": {"content": [0, {"text": SECRET}]}}) == (
        "w.jsonl:3: json.result.content[1].text still holds the value of WEATHER_KEY; nothing was kept; name the field in "
        "mcp_redact_fields or the header in mcp_redact_headers, or do not send the value"
    )


def test_a_value_that_is_split_over_content_blocks_is_found() -> None:
    blocks = [{"type": "text", "text": SECRET[:7]}, {"type": "text", "text": SECRET[7:]}]
    assert "json.result.content still holds" in _refusal({"result": {"content": blocks}})


def test_a_value_that_is_a_key_is_found_and_not_named() -> None:
    assert "a key in json.a still" in _refusal({"a": {SECRET: 1}})


def test_a_plus_in_a_value_is_found_where_the_rest_is_percent_encoded() -> None:
    assert "json.url" in _refusal({"url": "http://h/s3c+ret%2Fx"}, "s3c+ret/x")


def test_a_number_is_found() -> None:
    assert "json.pin" in _refusal({"pin": 918273}, "918273")


@pytest.mark.parametrize("secret", [SECRET, "k3y!"])
def test_a_value_in_bytes_that_are_no_json_is_found(secret: str) -> None:
    with pytest.raises(RecordingError, match="raw still holds"):
        refuse_secrets(_file(b"token " + secret.encode() + b" \xff"), [("K", secret)])


@pytest.mark.parametrize("value", ["", "abc", "true", "tools/call"])
def test_short_values_and_words_of_the_protocol_are_not_looked_for(value: str) -> None:
    refuse_secrets(_file(b'{"abc":true,"method":"tools/call"}'), [("K", value)])


def test_a_placeholder_holds_nothing() -> None:
    refuse_secrets(_file(b'{"a":"<password:1>","b":"\\u003cpassword:2>"}'), [("K", "password")])


@given(st.text(min_size=8, alphabet=st.characters(codec="utf-8")).filter(lambda text: not text.isascii() or text.isalnum()))
def test_what_was_redacted_is_kept(secret: str) -> None:
    log = WireLog(clock=lambda: 0.0)
    log.frame("weather", "to-client", json.dumps({"a": secret, "b": [json.dumps({"c": secret}), quote(secret)]}).encode())
    refuse_secrets(write(redact(log, Rules(secrets=(("k", secret),))), HEAD), [("K", secret)])


def test_two_values_of_one_name_are_both_looked_for() -> None:
    with pytest.raises(RecordingError, match="still holds the value of TOKEN"):
        refuse_secrets(_file(b'"first-secret"'), [("TOKEN", "first-secret"), ("TOKEN", "other-secret")])

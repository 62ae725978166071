"""What `wire/redact.py` promises: no secret survives, nothing else changes, and twice is once."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.wire.frame import Envelope
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.redact import Redactor, Rules, redact


def _one(data: bytes, rules: Rules | None = None) -> bytes:
    log = WireLog()
    log.frame("a", "to-server", data)
    return redact(log, rules).frames[0].data


def _header(name: str, value: str, rules: Rules | None = None) -> str:
    return Redactor(rules).headers([(name, value)])[0][1]


@pytest.mark.parametrize(
    ("name", "value", "after"),
    [
        ("Authorization", "Bearer s3cret-value", "Bearer <authorization:1>"),
        ("Authorization", "raw-value", "<authorization:1>"),
        ("Proxy-Authorization", "Basic YTpi", "Basic <proxy-authorization:1>"),
        ("Cookie", "sid=1; x=2", "<cookie:1>"),
        ("Set-Cookie", "sid=1; Path=/", "<set-cookie:1>"),
        ("X-API-Key", "k", "<x-api-key:1>"),
        ("api-key", "k", "<api-key:1>"),
        ("X-Auth-Token", "k", "<x-auth-token:1>"),
        ("X-Amz-Security-Token", "k", "<x-amz-security-token:1>"),
        ("X-Client-Secret", "k", "<x-client-secret:1>"),
        ("X-Credentials", "k", "<x-credentials:1>"),
        ("mcp-session-id", "abcdef0123456789", "abcdef0123456789"),
        ("content-type", "application/json", "application/json"),
        ("location", "https://h/?token=abc", "https://h/?token=<token:1>"),
        ("www-authenticate", 'Bearer realm="x", error="invalid_token"', 'Bearer realm="x", error="invalid_token"'),
        ("Authorization", "", ""),
    ],
)
def test_headers_are_secret_by_their_name(name: str, value: str, after: str) -> None:
    assert _header(name, value) == after


def test_more_header_names_can_be_named() -> None:
    assert _header("X-Tenant", "acme-17", Rules(headers=frozenset({"x-tenant"}))) == "<x-tenant:1>"


@pytest.mark.parametrize(
    "name",
    [
        "access_token",
        "refreshToken",
        "ID-Token",
        "client_secret",
        "Password",
        "passwd",
        "secret",
        "api_key",
        "apikey",
        "private_key",
        "Authorization",
        "code_verifier",
        "githubToken",
        "db_password",
        "awsCredentials",
        "x-api-key",
    ],
)
def test_fields_are_secret_by_their_name(name: str) -> None:
    data = json.dumps({"n": {name: "v"}}).encode()
    assert _one(data) == data.replace(b'"v"', f'"<{name.lower()}:1>"'.encode())


@pytest.mark.parametrize(
    "data",
    [
        b'{"_meta":{"progressToken":"abcd"},"nextCursor":"abcd","maxTokens":5}',
        b'{"_meta":{"progressToken":"abcd"},"nextCursor":"abcd","maxTokens":5,"password":null}',
        b'{"inputSchema":{"properties":{"password":{"type":"string"},"token":true},"required":["password"]}}',
        b'{"password":null,"secret":false,"token":"","credentials":[],"api_key":{}}',
        b'{"text":"Basic usage: pass a bearer token, then token: none"}',
        b'{"text":"mail a@b.example about http://h/path?q=1"}',
    ],
)
def test_what_is_no_secret_stays(data: bytes) -> None:
    assert _one(data) == data


@pytest.mark.parametrize(
    "program",
    [
        'n=s==="use"?i.credentials="include":s==="none"?i.credentials="omit":0;x.includes(y)||omitted',
        "k&&password=include,x.includes(y)",
        "k?this.token=include:0,x.includes(y)",
    ],
)
def test_words_that_a_program_assigns_are_not_looked_for_elsewhere(program: str) -> None:
    redacted = Redactor().text(program)
    assert "x.includes(y)" in redacted
    assert redacted.count("<") == program.count("credentials=") + program.count("password=") + program.count("token=")


@pytest.mark.parametrize("scheme", ["Bearer", "Basic", "token"])
def test_a_header_that_is_quoted_in_text_keeps_its_scheme(scheme: str) -> None:
    assert (
        Redactor().text(f'for example {{"Authorization": "{scheme} dXNlcjpzZXNhbWUtMTc="}}')
        == f'for example {{"Authorization": "{scheme} <authorization:1>"}}'
    )


def test_more_field_names_can_be_named() -> None:
    assert _one(b'{"pin-Code": 1234}', Rules(fields=frozenset({"PIN_code"}))) == b'{"pin-Code": "<pin-code:1>"}'


def test_a_field_name_beyond_ascii_can_be_named() -> None:
    data = '{"PAßWÖRTER": "x"}'.encode()
    assert _one(data, Rules(fields=frozenset({"paßwörter"}))) == data.replace(b'"x"', '"<paßwörter:1>"'.encode())


def test_everything_else_stays_byte_for_byte() -> None:
    data = rb'{ "a" : -0, "\u0070assword":"\u0041bcd" ,"b":[1e2 ,0.10],"b":"\u00e9\/ Abcd \ud83d\ude00 \"" }'
    after = rb'{ "a" : -0, "\u0070assword":"<password:1>" ,"b":[1e2 ,0.10],"b":"\u00e9\/ <password:1> \ud83d\ude00 \"" }'
    assert _one(data) == after


def test_the_same_secret_is_visibly_the_same_under_all_its_names() -> None:
    log = WireLog()
    log.frame("a", "to-server", b'{"password":"sesame-17"}', Envelope(1, (("Authorization", "Bearer sesame-17"),)))
    frame = redact(log).frames[0]
    assert (frame.data, frame.envelope and frame.envelope.headers) == (
        b'{"password":"<authorization:1>"}',
        (("Authorization", "Bearer <authorization:1>"),),
    )


def test_different_secrets_under_one_name_are_counted() -> None:
    assert _one(b'[{"token":"aaaa"},{"token":"bbbb"},{"token":"aaaa"}]') == (
        b'[{"token":"<token:1>"},{"token":"<token:2>"},{"token":"<token:1>"}]'
    )


def test_a_short_secret_is_replaced_in_its_place_only() -> None:
    assert _one(b'{"password":"abc","text":"abcabc"}') == b'{"password":"<password:1>","text":"abcabc"}'


def test_a_secret_spelled_like_a_word_of_the_protocol_is_replaced_in_its_place_only() -> None:
    assert _one(b'{"method":"tools/call","params":{"password":"params","secret":"tools/call"}}') == (
        b'{"method":"tools/call","params":{"password":"<password:1>","secret":"<secret:1>"}}'
    )


def test_a_secret_is_replaced_in_frames_before_the_one_that_reveals_it() -> None:
    log = WireLog()
    log.frame("a", "to-server", b'{"text":"it is sesame-17"}')
    log.frame("b", "to-server", b'{"password":"sesame-17"}')
    assert redact(log).frames[0].data == b'{"text":"it is <password:1>"}'


SECRET = 's3/cret+vä"lue?'
FORMS = {
    "plain": SECRET,
    "percent": quote(SECRET, safe=""),
    "lower percent": quote(SECRET, safe="")
    .replace("%2F", "%2f")
    .replace("%2B", "%2b")
    .replace("%C3%A4", "%c3%a4")
    .replace("%22", "%22")
    .replace("%3F", "%3f"),
    "every byte percent": "".join(f"%{byte:02X}" for byte in SECRET.encode()),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "url base64": base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
    "json": json.dumps(SECRET)[1:-1],
    "hex": SECRET.encode().hex(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_known_secret_is_replaced_in_every_form(form: str) -> None:
    rules = Rules(secrets=(("weather", SECRET),))
    assert Redactor(rules).text(f"[{form}]") == "[<weather:1>]"


@pytest.mark.parametrize("before", ["", "x", "xy"])
def test_a_known_secret_inside_longer_base64_leaves_at_most_its_edges(before: str) -> None:
    text = base64.b64encode(f"{before}sk-1234567890abcdef:tail".encode()).decode()
    after = Redactor(Rules(secrets=(("w", "sk-1234567890abcdef"),))).text(text)
    assert len(after.replace("<w:1>", "")) <= len(text) - 24


def test_a_known_secret_is_replaced_in_keys_and_numbers_and_headers() -> None:
    log = WireLog()
    log.frame("a", "to-server", b'{"id-98765432":98765432}', Envelope(1, (("x-anything", "v=98765432"),)))
    frame = redact(log, Rules(secrets=(("pin", "98765432"),))).frames[0]
    assert (frame.data, frame.envelope and frame.envelope.headers) == (
        b'{"id-<pin:1>":"<pin:1>"}',
        (("x-anything", "v=<pin:1>"),),
    )


def test_json_that_stands_as_text_in_a_string_is_redacted_by_the_same_rules() -> None:
    inner = json.dumps({"password": "Öpen\n", "deep": json.dumps([{"token": "t0k3n"}])})
    data = json.dumps({"content": [{"type": "text", "text": inner}]}).encode()
    text = json.loads(_one(data))["content"][0]["text"]
    assert json.loads(text) == {"password": "<password:1>", "deep": '[{"token": "<token:1>"}]'}


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("see https://bob:hunter22@h/p and hunter22", "see https://<userinfo:1>@h/p and <userinfo:2>"),
        ("GET /cb?x=1&access_token=a%2Fb&y=2", "GET /cb?x=1&access_token=<access_token:1>&y=2"),
        ("-H 'Authorization: Bearer abc123'", "-H 'Authorization: Bearer <authorization:1>'"),
        ("Basic dXNlcjpwYXNzd29yZDE=", "Basic <authorization:1>"),
        ("run --api-key KKK --token=TTT -v", "run --api-key <api-key:1> --token=<token:1> -v"),
        ("{'password': 'x y', 'n': 1", "{'password': '<password:1>', 'n': 1"),
        ('{"a": {"password": "x\\"', '{"a": {"password": "<password:1>\\"'),
        ("X-Api-Key: sk-12345678", "X-Api-Key: <x-api-key:1>"),
        ("grant_type=authorization_code&code=abc%2Fd&client_id=me", "grant_type=authorization_code&code=<code:1>&client_id=me"),
        ("/cb?code=abcd&state=xy", "/cb?code=<code:1>&state=xy"),
        ("exit code=abcd", "exit code=abcd"),
        ("clone with ghp_0123456789abcdefghij0123456789abcdef", "clone with <token:1>"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl!", "<token:1>!"),
        ("a task-0123456789-0123456789-0123", "a task-0123456789-0123456789-0123"),
        (
            '{"device_code": "dc1", "client_assertion": "ca1"}',
            '{"device_code": "<device_code:1>", "client_assertion": "<client_assertion:1>"}',
        ),
    ],
)
def test_text_is_redacted_where_credentials_stand_in_it(text: str, after: str) -> None:
    assert Redactor().text(text) == after


def test_a_frame_that_is_no_json_is_redacted_as_text() -> None:
    assert _one(b'\xff{"password": "hunter2", "x": \x00') == b'\xff{"password": "<password:1>", "x": \x00'


def test_notes_are_redacted_with_their_headers_and_urls() -> None:
    log = WireLog()
    log.note(
        "a", "http", url="http://h/?token=t1234567", headers=[["Authorization", "Bearer b1234567"], ["x", "y"]], status=200
    )
    log.note("a", "stderr", text="got b1234567 and t1234567")
    assert [note.data for note in redact(log).notes] == [
        {
            "url": "http://h/?token=<token:1>",
            "headers": [["Authorization", "Bearer <authorization:1>"], ["x", "y"]],
            "status": 200,
        },
        {"text": "got <authorization:1> and <token:1>"},
    ]


def test_the_value_of_a_cookie_is_known_elsewhere() -> None:
    log = WireLog()
    log.frame("a", "to-server", b'{"text":"5e551014abcd"}', Envelope(1, (("cookie", "theme=dark; sid=5e551014abcd"),)))
    assert redact(log).frames[0].data == b'{"text":"<cookie:2>"}'


def test_placeholders_are_left_alone_and_their_numbers_are_not_given_again() -> None:
    assert _one(b'{"token":"<token:3>","x":{"token":"new-one"}}') == b'{"token":"<token:3>","x":{"token":"<token:4>"}}'


def test_a_known_value_inside_a_placeholder_is_left_alone() -> None:
    assert Redactor(Rules(secrets=(("k", "oken"),))).text("<token:1> oken") == "<token:1> <k:1>"


def test_a_secret_that_another_secret_hid_is_replaced_too() -> None:
    rules = Rules(fields=frozenset({"pin"}), secrets=(("k", "abcd"),))
    after = _one(b'{"text":"abcdpin=77"}', rules)
    assert (after, Redactor(rules).text("abcdpin=77")) == (b'{"text":"<k:1>pin=<pin:1>"}', "<k:1>pin=<pin:1>")


def test_frames_without_secrets_are_the_same_objects() -> None:
    log = WireLog()
    log.frame("a", "to-server", b'{"jsonrpc":"2.0","id":1,"method":"ping"}', Envelope(1, (("accept", "*/*"),)))
    log.frame("a", "to-server", b'{"password":"x"}')
    assert [before is after for before, after in zip(log, redact(log), strict=True)] == [True, False]


def test_seqs_times_and_causes_stay() -> None:
    log = WireLog()
    first = log.frame("a", "to-server", b'{"password":"x"}')
    log.cause(log.frame("b", "to-server", b"{}"), first, "routed")
    after = redact(log)
    before = [(entry.seq, entry.time) for entry in log]
    assert ([(entry.seq, entry.time) for entry in after], after.causes) == (before, log.causes)


def test_deep_nesting_does_not_crash() -> None:
    data = b'{"password":"x","d":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    assert _one(data).startswith(b'{"password":"<password:1>","d":[[')


def test_thousands_of_secrets_are_all_found() -> None:
    log = WireLog()
    for number in range(2_000):
        log.frame("a", "to-server", b'{"token":"eyJhbGciOiJIUzI1NiJ9.%d.x"}' % number)
    log.frame("a", "to-server", b'{"text":"eyJhbGciOiJIUzI1NiJ9.1999.x"}')
    assert redact(log).frames[-1].data == b'{"text":"<token:2000>"}'


# --- properties

NAMES = st.sampled_from(["password", "token", "x", "text", "progressToken", "Authorization", "url"])
WORDS = st.sampled_from(
    [
        "abcd",
        "Bearer ",
        "Basic ",
        "dTpwYXNz",
        "://",
        "us/er",
        ":pw@",
        "h",
        "?token=",
        "&",
        "<token:1>",
        "<",
        ">",
        "=",
        ": ",
        '"',
        "password",
        "{",
        "}",
        "\\",
        "é",
        "�",
        "1",
        "xBea",
        "--secret ",
        "token",
        "'",
        "\n",
        "abc<token",
        "/",
        "%2F",
    ]
)
STRINGS = st.lists(WORDS, max_size=7).map("".join)
VALUES = st.recursive(
    st.none() | st.integers() | STRINGS,
    lambda children: st.dictionaries(NAMES, children, max_size=3) | st.lists(children, max_size=3) | children.map(json.dumps),
    max_leaves=6,
)
RULES = st.lists(STRINGS, max_size=2).map(lambda values: Rules(secrets=tuple(("known", value) for value in values)))


def _log(values: list[object], header: str) -> WireLog:
    log = WireLog(clock=lambda: 0.0)
    for value in values:
        data = json.dumps(value).encode()
        log.frame("a", "to-server", data, Envelope(1, (("Authorization", header), ("x-other", header))))
        log.frame("a", "to-server", data[1:])
    log.note("a", "stderr", text=header)
    return log


@given(st.lists(VALUES, max_size=3), STRINGS, RULES)
def test_redacting_twice_is_redacting_once(values: list[object], header: str, rules: Rules) -> None:
    once = redact(_log(values, header), rules)
    assert redact(once, rules) == once


@given(VALUES)
def test_json_stays_json(value: object) -> None:
    json.loads(_one(json.dumps(value).encode()))


@given(st.text("abcXYZ0189-_./+~", min_size=8), st.lists(VALUES, max_size=2), st.integers(0, 3))
def test_a_known_secret_occurs_nowhere_afterwards(secret: str, values: list[object], form: int) -> None:
    spelled = [secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode(), json.dumps(secret)][form]
    log = _log([*values, {"a": f"x {spelled} y", spelled: [spelled]}], f"z{spelled}")
    after = redact(log, Rules(secrets=(("known", secret),)))
    assert not any(secret in entry.data.decode() for entry in after.frames)

"""What is secret by structure: names of headers and fields, and the places in free text where credentials stand.

Names are compared without case, `_`, `-`, `.` and spaces. Pinned by `tests/wire/test_redact.py`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple
from urllib.parse import unquote, unquote_plus

__all__ = [
    "MIN_LENGTH",
    "PLACEHOLDER",
    "PROTOCOL_WORDS",
    "Spot",
    "is_secret_field",
    "is_secret_header",
    "may_hold_secrets",
    "normal_name",
    "scheme_end",
    "spots",
]

MIN_LENGTH: Final = 4
"""Shorter values are replaced where they stand, but not looked for elsewhere."""

PLACEHOLDER: Final = re.compile(r"<[\w.-]{1,80}:[1-9][0-9]{0,9}>")
"""What stands for a secret: `<label:n>`."""

_PROTOCOL: Final = (
    "jsonrpc method params result error code message data _meta name title description arguments content type text image audio "
    "resource mimeType blob structuredContent isError tools resources prompts roots sampling elicitation inputSchema outputSchema "
    "properties required string number integer boolean object array null protocolVersion capabilities clientInfo serverInfo "
    "version extensions progressToken progress total requestId reason cursor nextCursor messages role user assistant initialize "
    "ping tools/list tools/call resources/list resources/read resources/templates/list prompts/list prompts/get "
    "completion/complete sampling/createMessage elicitation/create roots/list server/discover notifications/initialized "
    "notifications/progress notifications/cancelled notifications/message true false none"
)
PROTOCOL_WORDS: Final = frozenset(_PROTOCOL.split())
"""Strings of the protocol itself: a secret that is spelled like one is not replaced in its place."""

_FIELDS: Final = frozenset(
    [
        "accesstoken",
        "refreshtoken",
        "idtoken",
        "clientsecret",
        "password",
        "passwd",
        "secret",
        "apikey",
        "privatekey",
        "authorization",
        "proxyauthorization",
        "codeverifier",
        "devicecode",
        "assertion",
        "clientassertion",
        "cookie",
        "setcookie",
    ]
)
_ENDINGS: Final = ("token", "secret", "password", "passwd", "credential", "credentials", "apikey")
_NO_SECRETS: Final = frozenset({"progresstoken", "nextcursor", "maxtokens"})
_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_HEADER_WORDS: Final = re.compile(r"(?:^|[-_])(?:x?api[-_]?key|tokens?|secrets?|passwords?|passwd|credentials?)(?:$|[-_])")
_SEPARATORS: Final = str.maketrans("", "", "_-. ")


def normal_name(name: str) -> str:
    """Return a name in the form in which names are compared."""
    return name.lower().translate(_SEPARATORS)


def is_secret_field(name: str, more: frozenset[str] = frozenset()) -> bool:
    """Say whether a JSON member, query parameter or option of that name holds a secret; `more` are normal names."""
    normal = normal_name(name)
    return normal in more or (normal not in _NO_SECRETS and (normal in _FIELDS or normal.endswith(_ENDINGS)))


def is_secret_header(name: str, more: frozenset[str] = frozenset()) -> bool:
    """Say whether an HTTP header of that name holds a secret; `more` are lower-case names."""
    lower = name.lower()
    return lower in more or lower in _HEADERS or _HEADER_WORDS.search(lower) is not None


# --- free text


class Spot(NamedTuple):
    """A secret in a text, and whether it is so surely one that it is looked for elsewhere.

    Attributes:
        start: Where the characters to be replaced begin.
        end: Where they end.
        label: Name under which it was found.
        value: The secret itself, decoded.
        watched: What is to be looked for elsewhere.
    """

    start: int
    end: int
    label: str
    value: str
    watched: tuple[str, ...] = ()


_SCHEME: Final = re.compile(r"(?:bearer|basic|token|digest|apikey)[ \t]+", re.IGNORECASE)
_AUTHORIZATION: Final = re.compile(r"(bearer|basic)[ \t]++([\w.~+/-]++=*+)", re.IGNORECASE | re.ASCII)
_USERINFO: Final = re.compile(r"://([^\s/?#\"'<>\\]+)@")
_ASSIGNMENT: Final = re.compile(
    r"(?<![\w.%-])(?P<name>[\w.%-]{2,80}+)"
    r"(?P<gap>\\*+[\"']?+[ \t]*+[=:][ \t]*+|[ \t]++)"
    r"(?=(?P<quote>\\*+[\"'])?+(?P<value>(?(quote)[^\"'\\<>\r\n]++|[^\s&;,\"'<>#\\)\]}]++)))"
)
_ISSUED: Final = re.compile(
    r"(?<![\w-])(?:gh[pousr]_[A-Za-z0-9]{20,}+|github_pat_\w{20,}+|glpat-[\w-]{20,}+|xox[abeprs]-[\w-]{10,}+|AKIA[0-9A-Z]{16}+"
    r"|AIza[\w-]{35}+|sk-(?=[\w-]*\d)[\w-]{20,}+|eyJ[\w-]{8,}+\.eyJ[\w-]{8,}+\.[\w-]{8,}+)(?![\w-])",
    re.ASCII,
)
"""Credentials that show by their own form what they are: of GitHub, GitLab, Slack, AWS, Google and the model APIs, and JWTs."""

_ISSUED_SIGN: Final = re.compile(rb"gh[pousr]_|github_pat_|glpat-|xox[a-s]-|AKIA|AIza|sk-|\.eyJ")
_CODE: Final = re.compile(r"(?<=[?&\s\"'])code=([^&#\s\"'<>\\]+)")
_PROSE: Final = frozenset(
    [
        "token",
        "tokens",
        "auth",
        "authentication",
        "authorization",
        "scheme",
        "realm",
        "credential",
        "credentials",
        "of",
        "or",
        "and",
        "is",
    ]
)
_CHALLENGE: Final = frozenset(
    ["realm=", "scope=", "error=", "error_description=", "error_uri=", "resource_metadata=", "charset="]
)
"""What follows `Bearer` in `WWW-Authenticate`, up to its quote."""


def scheme_end(value: str) -> int:
    """Return where the credential begins in `Bearer X`: 7; 0 where there is no scheme."""
    found = _SCHEME.match(value)
    return found.end() if found and found.end() < len(value) else 0


def spots(text: str, is_secret: Callable[[str], bool]) -> list[Spot]:
    """Return the secrets that stand in a text by structure, in order and without overlaps."""
    found = sorted([*_authorizations(text), *_userinfos(text), *_assignments(text, is_secret), *_issued(text), *_codes(text)])
    kept: list[Spot] = []
    for spot in found:
        if not kept or spot.start >= kept[-1].end:
            kept.append(spot)
    return kept


def _authorizations(text: str) -> Iterator[Spot]:
    for match in _AUTHORIZATION.finditer(text):
        value = match[2]
        if match[1].lower() == "basic":
            password = _basic_password(value)
            if password is not None:
                yield Spot(*match.span(2), "authorization", value, (value, password))
        elif value.lower() not in _PROSE and value not in _CHALLENGE:
            yield Spot(*match.span(2), "authorization", value, (value,) if _is_strong(value) else ())


def _basic_password(value: str) -> str | None:
    try:
        user, colon, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password if colon and user.isprintable() else None


def _userinfos(text: str) -> Iterator[Spot]:
    for match in _USERINFO.finditer(text):
        _, colon, password = match[1].partition(":")
        value = unquote(match[1])
        sure = unquote(password) if colon else value
        yield Spot(*match.span(1), "userinfo", value, (value, sure) if colon or _is_strong(sure) else ())


def _issued(text: str) -> Iterator[Spot]:
    for match in _ISSUED.finditer(text):
        yield Spot(*match.span(), "token", match[0], (match[0],))


def _codes(text: str) -> Iterator[Spot]:
    """Find the code of OAuth in a form or URL; by its name alone a `code` may be anything."""
    if "grant_type=" in text or "state=" in text:
        for match in _CODE.finditer(text):
            yield Spot(*match.span(1), "code", unquote_plus(match[1]), (unquote_plus(match[1]),))


def _assignments(text: str, is_secret: Callable[[str], bool]) -> Iterator[Spot]:
    """Find `name=value` (also in URLs), `"name": "value"`, `name: value` if it looks like a credential, and `--name value`."""
    for match in _ASSIGNMENT.finditer(text):
        name, gap = match["name"], match["gap"]
        if not is_secret(unquote(name)):
            continue
        start, end = match.span("value")
        start += scheme_end(match["value"])
        value = text[start:end]
        if value.lower() in {"bearer", "basic"} or _SCHEME.fullmatch(value):
            continue
        assigned = not gap.isspace() and ("=" in gap or match["quote"] is not None or _is_strong(value))
        if assigned or (gap.isspace() and name.startswith("--")):
            in_url = match["quote"] is None and gap == "=" and _begins_parameter(text, match.start(), name)
            value = unquote_plus(value) if in_url else value
            yield Spot(start, end, name.strip("-"), value, (value,) if in_url or _is_strong(value) else ())


def _begins_parameter(text: str, start: int, name: str) -> bool:
    """Say whether `name=` is in a query, as in `?name=` and `&name=`, and not in a program, as in `a&&name=` and `a?b.name=`."""
    before = text[max(start - 2, 0) : start]
    return before[-1:] in ("?", "&", "#") and before not in ("&&", "??") and "." not in name


def _is_strong(value: str) -> bool:
    return len(value) >= 8 and any(c.isdigit() for c in value)


# --- the quick look

_FOLD: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")
_SIGNS: Final = tuple(
    sign.encode()
    for sign in [
        r"secret",
        r"passw",
        r"credential",
        r"apikey",
        r"privatekey",
        r"authorization",
        r"codeverifier",
        r"devicecode",
        r"assertion",
        r"cookie",
        r"bearer",
        r"basic",
        r"\u",
    ]
)


def may_hold_secrets(data: bytes, more: tuple[bytes, ...] = ()) -> bool:
    """Say quickly whether text may hold a secret by structure; `False` is certain. `more` are normal names in UTF-8."""
    folded = data.translate(_FOLD, b"_-. ")
    for sign in _SIGNS:
        if sign in folded:
            return True
    if b"token" in folded and folded.count(b"token") > folded.count(b"progresstoken") + folded.count(b"maxtokens"):
        return True
    if b"code=" in data or _may_hold_issued(data):
        return True
    return (b"://" in data and b"@" in data) or (bool(more) and any(name in folded for name in more))


def _may_hold_issued(data: bytes) -> bool:
    # One after the other these are quicker than in a loop or as one pattern, and this is done for every message.
    some = b"sk-" in data or b"eyJ" in data or b"gh" in data or b"xox" in data or b"AKIA" in data or b"AIza" in data
    return (some or b"glpat-" in data) and _ISSUED_SIGN.search(data) is not None

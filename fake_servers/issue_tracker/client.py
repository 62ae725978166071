"""A tracker behind an HTTP API, called with httpx and a bearer token.

| what happens | what comes of it |
|---|---|
| 429, 502, 503, 504, no connection | tried again, `RETRIES` times, after `Retry-After` or a growing delay; a POST only on 429 and 503 |
| 400, 404, 409, 422 | the API's own `message` |
| 401, 403 | the API refused the server's credentials |
| other statuses, time-outs, answers that are no issue | a sentence with method, path and what was wrong |

The token goes into one header and appears in no text, also where the API repeats it. Pinned by `tests/fakes/test_issue_tracker_api.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeVar, cast

import anyio
from pydantic import BaseModel, ValidationError

from ..data import MissingExtra  # noqa: TID252 - the package is also loaded under an alias
from .model import Issue, Page, State, TrackerError

if TYPE_CHECKING:
    import httpx

__all__ = ["RETRIES", "TIMEOUT", "Client", "require_httpx"]

RETRIES: Final = 2
TIMEOUT: Final = 10.0
"""Seconds for one attempt."""

_LONGEST_WAIT: Final = 30.0
"""Seconds that the API may ask to wait before another attempt."""

_AGAIN: Final = frozenset({429, 502, 503, 504})
_REFUSED_UNDONE: Final = frozenset({429, 503})
"""Statuses which say that nothing was done, so that a POST may be sent again."""
_EXPLAINED: Final = frozenset({400, 404, 409, 422})

_ModelT = TypeVar("_ModelT", bound=BaseModel)


class Client:
    """Talks to the API for one request of an MCP client.

    Args:
        api: Address of the API.
        token: Its bearer token.
        headers: More headers, such as those that say what a call is for.
        timeout: Seconds for one attempt.
        delay: Seconds before the second attempt; twice as long before the third.
    """

    def __init__(self, api: str, token: str, headers: Mapping[str, str], *, timeout: float, delay: float) -> None:
        self._api = api.rstrip("/")
        self._token = token
        self._headers = {"authorization": f"Bearer {token}", "accept": "application/json", **headers}
        self._timeout = timeout
        self._delay = delay

    async def find(self, state: State | None, label: str | None, cursor: str | None, limit: int) -> Page:
        """Return a page of issues."""
        given = {"state": state, "label": label, "cursor": cursor, "limit": str(limit)}
        return await self._ask("GET", "/issues", Page, query={key: value for key, value in given.items() if value is not None})

    async def get(self, number: int) -> Issue:
        """Return one issue."""
        return await self._ask("GET", f"/issues/{number}", Issue)

    async def create(self, title: str, body: str, labels: Sequence[str]) -> Issue:
        """File an issue."""
        return await self._ask("POST", "/issues", Issue, json={"title": title, "body": body, "labels": list(labels)})

    async def comment(self, number: int, body: str) -> Issue:
        """Say something of an issue."""
        return await self._ask("POST", f"/issues/{number}/comments", Issue, json={"body": body})

    async def update(self, number: int, state: State | None, labels: Sequence[str] | None) -> Issue:
        """Change an issue's state or its labels."""
        given = {"state": state, "labels": None if labels is None else list(labels)}
        changes = {key: value for key, value in given.items() if value is not None}
        return await self._ask("PATCH", f"/issues/{number}", Issue, json=changes)

    async def _ask(
        self,
        method: str,
        path: str,
        kind: type[_ModelT],
        *,
        query: Mapping[str, str] | None = None,
        json: Mapping[str, object] | None = None,
    ) -> _ModelT:
        what = f"{method} {path}"
        response = await self._send(what, method, path, query, json)
        if response.status_code in (401, 403):
            raise TrackerError(f"the tracker refused this server's credentials ({response.status_code} for {what})")
        if response.status_code in _EXPLAINED:
            raise TrackerError(self._clean(_message(response) or f"the tracker answered {what} with {response.status_code}"))
        if not response.is_success:
            raise TrackerError(self._clean(f"the tracker answered {what} with {response.status_code} {response.reason_phrase}"))
        try:
            return kind.model_validate_json(response.content)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the body"
            raise TrackerError(
                self._clean(f"the tracker's answer to {what} is no {kind.__name__}: {where}: {first['msg']}")
            ) from None

    async def _send(
        self, what: str, method: str, path: str, query: Mapping[str, str] | None, json: Mapping[str, object] | None
    ) -> httpx.Response:
        import httpx

        repeatable = _REFUSED_UNDONE if method == "POST" else _AGAIN
        async with httpx.AsyncClient(headers=self._headers, timeout=self._timeout) as client:
            for attempt in range(RETRIES + 1):
                last = attempt == RETRIES
                wait = self._delay * 2**attempt
                try:
                    response = await client.request(method, self._api + path, params=query, json=json)
                except httpx.ConnectError:
                    if last:
                        raise TrackerError(f"the tracker cannot be reached ({what}, {attempt + 1} attempts)") from None
                except httpx.TimeoutException:
                    raise TrackerError(f"the tracker did not answer {what} within {self._timeout:g} s") from None
                except httpx.HTTPError as error:
                    raise TrackerError(f"{what} failed: {type(error).__name__}") from None
                else:
                    if last or response.status_code not in repeatable:
                        return response
                    wait = _asked_wait(response, wait)
                await anyio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _clean(self, text: str) -> str:
        return text.replace(self._token, "<token>") if self._token else text


def require_httpx() -> None:
    """Refuse to go on without httpx.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import_module("httpx")
    except ModuleNotFoundError:
        raise MissingExtra("issue_tracker(api=...) needs httpx: pip install 'pytest-mcpsym[fakes]'") from None


def _message(response: httpx.Response) -> str | None:
    try:
        body = cast("object", response.json())
    except ValueError:
        return None
    message = cast("dict[str, object]", body).get("message") if isinstance(body, dict) else None
    return message if isinstance(message, str) else None


def _asked_wait(response: httpx.Response, otherwise: float) -> float:
    """Seconds that the API asks to wait; dates and nonsense count as no wish."""
    asked = response.headers.get("retry-after", "")
    return min(float(asked), _LONGEST_WAIT) if asked.isascii() and asked.isdigit() else otherwise

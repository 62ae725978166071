"""The HTTP API of the tracker as an ASGI app: what `issue_tracker(api=...)` calls, for `upstream(url, app=...)`.

Every request needs the bearer token. Errors are `{"message": text}`. Pinned by `tests/fakes/test_issue_tracker_api.py`.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, cast, get_args

from pydantic import BaseModel

from .model import Issue, State, TrackerError
from .store import Store

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["tracker_api"]


def tracker_api(issues: Sequence[Issue], *, token: str) -> Starlette:
    """Return the API.

    Args:
        issues: What there is at the beginning.
        token: The bearer token that it wants.
    """
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    store = Store(issues)

    def guarded(answer: Callable[[Request], Awaitable[BaseModel]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            given = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, f"Bearer {token}".encode()):
                return JSONResponse({"message": "the token is missing or wrong"}, 401, {"www-authenticate": "Bearer"})
            try:
                found = await answer(request)
            except TrackerError as error:
                return JSONResponse({"message": str(error)}, 404 if str(error).startswith("there is no issue") else 422)
            return JSONResponse(found.model_dump(by_alias=True), 201 if request.method == "POST" else 200)

        return endpoint

    async def find(request: Request) -> BaseModel:
        query = request.query_params
        limit = query.get("limit", "20")
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= 100):
            raise TrackerError("`limit` is a number from 1 to 100")
        return await store.find(_state(query.get("state")), query.get("label"), query.get("cursor"), int(limit))

    async def get(request: Request) -> BaseModel:
        return await store.get(_number(request))

    async def create(request: Request) -> BaseModel:
        given = await _json(request)
        return await store.create(str(given.get("title", "")), str(given.get("body", "")), _labels(given) or [])

    async def comment(request: Request) -> BaseModel:
        return await store.comment(_number(request), str((await _json(request)).get("body", "")))

    async def update(request: Request) -> BaseModel:
        given = await _json(request)
        return await store.update(_number(request), _state(given.get("state")), _labels(given))

    return Starlette(
        routes=[
            Route("/issues", guarded(find), methods=["GET"]),
            Route("/issues", guarded(create), methods=["POST"]),
            Route("/issues/{number:int}", guarded(get), methods=["GET"]),
            Route("/issues/{number:int}", guarded(update), methods=["PATCH"]),
            Route("/issues/{number:int}/comments", guarded(comment), methods=["POST"]),
        ]
    )


def _number(request: Request) -> int:
    return int(request.path_params["number"])


async def _json(request: Request) -> dict[str, object]:
    try:
        given = cast("object", json.loads(await request.body()))
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise TrackerError("the body is no JSON object")
    return cast("dict[str, object]", given)


def _state(value: object) -> State | None:
    if value is not None and value not in get_args(State):
        raise TrackerError("`state` is open or closed")
    return cast("State | None", value)


def _labels(given: dict[str, object]) -> list[str] | None:
    labels = given.get("labels")
    if labels is not None and not isinstance(labels, list):
        raise TrackerError("`labels` is a list")
    return None if labels is None else [str(label) for label in cast("list[object]", labels)]

"""What the tools do that ask the client for something: by a request in the handshake era, by `input_required` in the modern one.

Pinned as the listing in `tools.py` is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypeVar
from uuid import uuid4

from mcp import MCPError
from mcp_types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    Root,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel, ValidationError

from .form import FORM
from .plain import Call, Doing, Failed, text
from .session import Context, ask, is_modern, log, session_of

__all__ = ["ASKING", "URL_ELICITATION_REQUIRED", "Unanswered", "fetch_roots", "fetch_roots_unasked"]

Request = CreateMessageRequest | ElicitRequest | ListRootsRequest
ResultT = TypeVar("ResultT", CreateMessageResult, ElicitResult, ListRootsResult)

_KEY = "asked"
URL_ELICITATION_REQUIRED = -32042
"""The code of the error that says that an address has to be opened first."""


class Unanswered(Exception):
    """The client has to answer first: the modern era's way to ask."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.method)
        self.result = InputRequiredResult(input_requests={_KEY: request})


async def _ask(context: Context, request: Request, kind: type[ResultT]) -> ResultT:
    if is_modern(context):
        answers: dict[str, object] = (context.params or {}).get("inputResponses") or {}
        if _KEY not in answers:
            raise Unanswered(request)
        return _fitted(answers[_KEY], kind)
    said: dict[str, object] = request.model_dump(mode="json", by_alias=True, exclude_none=True).get("params", {})
    # A form is what is meant where no mode is said, and the reference says none.
    params = {name: value for name, value in said.items() if (name, value) != ("mode", "form")}
    return _fitted(await ask(context, request.method, params or None), kind)


def _fitted(answer: object, kind: type[ResultT]) -> ResultT:
    try:
        fitted = kind.model_validate(answer, by_name=False)
    except ValidationError as error:
        raise Failed(f"the client's answer is none: {error.error_count()} part(s) of it do not fit") from None
    # The SDK lets a field of a form be null, which the specification does not.
    if isinstance(fitted, ElicitResult) and None in (fitted.content or {}).values():
        raise Failed("the client's answer is none: a field of a form is a text, a number, true, false or a list of texts")
    return fitted


async def fetch_roots(context: Context) -> list[Root]:
    """Ask for the client's roots, within a request of the client."""
    return await _keep(context, await _ask(context, ListRootsRequest(), ListRootsResult))


async def fetch_roots_unasked(context: Context) -> None:
    """Ask for the client's roots, outside of any request."""
    await _keep(context, _fitted(await ask(context, "roots/list", unasked=True), ListRootsResult))


async def _keep(context: Context, answer: ListRootsResult) -> list[Root]:
    session_of(context).roots = roots = answer.roots
    await log(context, "info", f"The client has {len(roots)} root(s)", "everything-server")
    return roots


async def _roots(call: Call) -> dict[str, object]:
    known = None if is_modern(call.context) else call.session.roots
    roots = await fetch_roots(call.context) if known is None else known
    if not roots:
        return {"content": [text("The client can tell its roots, and has none.")]}
    rows = [f"{number}. {root.name or 'without a name'}: {root.uri}" for number, root in enumerate(roots, 1)]
    return {"content": [text("\n".join([f"The client has {len(roots)} root(s); this server reads none of them.", *rows]))]}


async def _form(call: Call) -> dict[str, object]:
    params = ElicitRequestFormParams(message="Please fill in this form:", requested_schema=FORM)
    answer = await _ask(call.context, ElicitRequest(params=params), ElicitResult)
    said: list[str] = []
    if answer.action == "accept" and answer.content is not None:
        given = [f"- {name}: {value}" for name, value in answer.content.items()]
        said = ["The form was filled in.", "\n".join(["It says:", *given])]
    elif answer.action != "accept":
        said = [f"The user chose to {answer.action}."]
    return _told(said, answer)


async def _url(call: Call) -> dict[str, object]:
    url, wanted = call.text("url"), call.arguments.get("elicitationId")
    if call.arguments["errorPath"] and not is_modern(call.context):
        _refuse_once(call, (url, str(wanted or "")))
    # The modern era has no id of an elicitation: its answer comes with the request that is repeated.
    chosen = None if is_modern(call.context) else str(wanted) if wanted is not None else str(uuid4())
    params = ElicitRequestURLParams(url=url, message=call.text("message"), elicitation_id=chosen)
    answer = await _ask(call.context, ElicitRequest(params=params), ElicitResult)
    done = "opened" if answer.action == "accept" else f"not opened ({answer.action})"
    which = "" if chosen is None else f", elicitation {chosen}"
    return _told([f"The address {url} was {done}{which}."], answer)


def _refuse_once(call: Call, key: tuple[str, str]) -> None:
    """Answer with an error the first time, and let the next call of the same pass."""
    if key in call.session.refused:
        call.session.refused.remove(key)
        return
    call.session.refused.add(key)
    first = {
        "mode": "url",
        "url": "https://modelcontextprotocol.io",
        "message": "Open this address first, then call again.",
        "elicitationId": str(uuid4()),
    }
    raise MCPError(URL_ELICITATION_REQUIRED, "an address has to be opened first", {"elicitations": [first]})


async def _sample(call: Call) -> dict[str, object]:
    tokens = call.arguments["maxTokens"]
    question = TextContent(text=f"Resource trigger-sampling-request context: {call.text('prompt')}")
    params = CreateMessageRequestParams.model_construct(
        messages=[SamplingMessage(role="user", content=question)],
        system_prompt="You are a model in a test.",
        max_tokens=tokens,
        temperature=0.7,
    )
    request = CreateMessageRequest.model_construct(method="sampling/createMessage", params=params)
    answer = await _ask(call.context, request, CreateMessageResult)
    return {"content": [text(f"The model answered:\n{_raw(answer)}")]}


def _told(said: Sequence[str], answer: BaseModel) -> dict[str, object]:
    return {"content": [*map(text, said), text(f"As it came: {_raw(answer)}")]}


def _raw(answer: BaseModel) -> str:
    return json.dumps(answer.model_dump(mode="json", by_alias=True, exclude_none=True), indent=2, ensure_ascii=False)


ASKING: dict[str, Doing] = {
    "get-roots-list": _roots,
    "trigger-elicitation-request": _form,
    "trigger-url-elicitation": _url,
    "trigger-sampling-request": _sample,
}
"""What each tool does, by its name."""

"""What the tools do that need nothing of the client. Pinned as the listing in `tools.py` is."""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import unquote_to_bytes

import anyio

from .documents import DOCUMENTS, PICTURE
from .javascript import plain, spelled
from .resources import dynamic, dynamic_uri, whole
from .session import Context, Session, is_modern
from .tools import README

__all__ = ["DOING", "Call", "Doing", "Failed", "text"]

Result = dict[str, object]


class Failed(Exception):
    """The tool cannot do what is asked; the text says why."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool, with arguments that fit."""

    arguments: Mapping[str, object]
    context: Context
    session: Session
    texts: Sequence[str]
    env: Mapping[str, str]

    def text(self, name: str) -> str:
        """Return an argument that is a text."""
        return cast("str", self.arguments[name])

    def number(self, name: str) -> float:
        """Return an argument that is a number."""
        return float(cast("float", self.arguments[name]))


Doing = Callable[[Call], Awaitable[Result]]


def text(said: str, **more: object) -> Result:
    """Return a block of text."""
    return {"type": "text", "text": said, **more}


def _content(*blocks: Result) -> Result:
    return {"content": list(blocks)}


async def _echo(call: Call) -> Result:
    return _content(text(f"Echo: {call.text('message')}"))


_ANNOTATED: dict[str, Result] = {
    "error": text("Error: it did not work", annotations={"priority": 1, "audience": ["user", "assistant"]}),
    "success": text("It worked", annotations={"priority": 0.7, "audience": ["user"]}),
    "debug": text("Debug: 19 of 20 found, in 150 ms", annotations={"priority": 0.3, "audience": ["assistant"]}),
}


async def _annotated(call: Call) -> Result:
    blocks = [_ANNOTATED[call.text("messageType")]]
    if call.arguments["includeImage"]:
        blocks.append({**_IMAGE, "annotations": {"priority": 0.5, "audience": ["user"]}})
    return _content(*blocks)


_IMAGE: Result = {"type": "image", "data": PICTURE, "mimeType": "image/png"}


async def _env(call: Call) -> Result:
    return _content(text(json.dumps(dict(call.env), indent=2, ensure_ascii=False)))


async def _links(call: Call) -> Result:
    count = call.number("count")
    blocks = [text(f"{spelled(count)} links to resources of this server:")]
    for number in range(1, math.floor(count) + 1):
        kind = "Blob" if number % 2 else "Text"
        blocks.append(
            {
                "type": "resource_link",
                "uri": dynamic_uri(kind, number),
                "name": f"{kind} Resource {number}",
                "description": f"Number {number}, of the kind {kind}",
                "mimeType": "text/plain",
            }
        )
    return _content(*blocks)


async def _reference(call: Call) -> Result:
    number = whole(call.arguments["resourceId"])
    if number is None:
        raise Failed(f"resourceId has to be a whole number from 1, not {spelled(call.number('resourceId'))}")
    carried = dynamic(call.text("resourceType"), number, call.texts)
    return _content(
        text(f"Resource {number}:"), {"type": "resource", "resource": carried}, text(f"Its address is {carried['uri']}")
    )


_WEATHER: dict[str, Result] = {
    "New York": {"temperature": 33, "conditions": "Cloudy", "humidity": 82},
    "Chicago": {"temperature": 36, "conditions": "Light rain / drizzle", "humidity": 82},
    "Los Angeles": {"temperature": 73, "conditions": "Sunny / Clear", "humidity": 48},
}


async def _structured(call: Call) -> Result:
    weather = _WEATHER[call.text("location")]
    said = json.dumps(weather, separators=(",", ":"))
    return {**_content(text(said)), "structuredContent": weather}


async def _sum(call: Call) -> Result:
    a, b = call.number("a"), call.number("b")
    return _content(text(f"The sum of {spelled(a)} and {spelled(b)} is {spelled(a + b)}."))


async def _image(_call: Call) -> Result:
    return _content(text("This is the picture:"), _IMAGE, text("It shows a ring."))


async def _gzip(call: Call) -> Result:
    name = call.text("name")
    packing = zlib.compressobj(wbits=31)
    packed = base64.b64encode(packing.compress(_held(call.text("data"))) + packing.flush()).decode()
    uri = f"demo://resource/session/{name}"
    contents: Result = {"uri": uri, "mimeType": "application/gzip", "blob": packed}
    if call.session.made.pop(uri, None) is not None:
        await _say_list_changed(call.context)
    call.session.made[uri] = contents
    await _say_list_changed(call.context)
    if call.text("outputType") == "resource":
        return _content({"type": "resource", "resource": contents})
    return _content({"type": "resource_link", "uri": uri, "name": name, "mimeType": "application/gzip"})


async def _say_list_changed(context: Context) -> None:
    if is_modern(context):
        await context.lifespan_context.listening.list_changed()
    else:
        await context.session.send_resource_list_changed()


def _held(address: str) -> bytes:
    """What a `data:` address holds; the reference's default stands for a document of ours, since nothing is fetched."""
    if address == README:
        return DOCUMENTS["features.md"].encode()
    scheme, _, rest = address.strip().partition(":")
    if scheme.lower() != "data":
        raise Failed(f"this server fetches nothing: give a data: address, not {address}")
    kind, comma, body = rest.partition("#")[0].partition(",")
    if not comma:
        raise Failed(f"there is no comma in the data: address {address}")
    held = unquote_to_bytes(body)
    if not kind.rstrip().lower().endswith(";base64"):
        return held
    try:
        return base64.b64decode(held + b"=" * (-len(held) % 4), validate=True)
    except binascii.Error:
        raise Failed(f"the data: address {address} holds no base64") from None


async def _long(call: Call) -> Result:
    duration, steps = call.number("duration"), call.number("steps")
    step = 1
    while step < steps + 1:
        await anyio.sleep(max(0, duration / steps))
        await call.context.session.report_progress(step, plain(steps))
        step += 1
    return _content(text(f"Long running operation completed. Duration: {spelled(duration)} seconds, Steps: {spelled(steps)}."))


DOING: dict[str, Doing] = {
    "echo": _echo,
    "get-annotated-message": _annotated,
    "get-env": _env,
    "get-resource-links": _links,
    "get-resource-reference": _reference,
    "get-structured-content": _structured,
    "get-sum": _sum,
    "get-tiny-image": _image,
    "gzip-file-as-resource": _gzip,
    "trigger-long-running-operation": _long,
}
"""What each tool does, by its name."""

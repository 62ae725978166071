"""A client made of our links, for the conformance suite's client scenarios: `suite_client.py URL` does what one scenario asks.

The suite names the scenario, the revision and what is to be called in environment variables. Run by
`tests/peers/test_conformance_client.py`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import anyio
from mcp import MCPError
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult, Tool

from pytest_mcpsym import AsyncBoard
from pytest_mcpsym.switchboard.opener import Opener, switchboard

HANDSHAKE_ONLY = ("json-schema-ref-no-deref",)
"""Scenarios of the modern revision whose server speaks only the handshake."""

_SAMPLES: dict[str, object] = {"string": "x", "integer": 0, "number": 0, "boolean": False, "object": {}, "array": []}


def defaults(params: ElicitRequestParams) -> ElicitResult:
    """Accept a form as it is filled in."""
    assert isinstance(params, ElicitRequestFormParams)
    properties = cast("dict[str, dict[str, str]]", params.requested_schema["properties"])
    return ElicitResult(
        action="accept", content={name: each["default"] for name, each in properties.items() if "default" in each}
    )


def fitting(tool: Tool) -> dict[str, object]:
    """Return the least that a tool takes."""
    schema = cast("dict[str, dict[str, dict[str, str]]]", tool.input_schema)
    return {name: _SAMPLES.get(schema["properties"][name].get("type", ""), "x") for name in schema.get("required", ())}


async def listed(board: AsyncBoard) -> None:
    await board.tools()


async def added(board: AsyncBoard) -> None:
    await board.tools()
    await board.call("peer__add_numbers", a=5, b=3)


async def reconnected(board: AsyncBoard) -> None:
    await board.call("peer__test_reconnection")


async def filled_in(board: AsyncBoard) -> None:
    await board.call("peer__test_client_elicitation_defaults")


async def echoed(board: AsyncBoard) -> None:
    tools = {tool.name: tool for tool in await board.tools()}
    await board.call("peer__json_schema_echo", schema=tools["peer__json_schema_2020_12_tool"].input_schema)


async def in_rounds(board: AsyncBoard) -> None:
    for name in ("echo_state", "unrelated", "no_state", "no_result_type"):
        await board.call(f"peer__test_mrtr_{name}")


async def touched(board: AsyncBoard) -> None:
    client = board.client("peer")
    for tool in (await board.tools())[:1]:
        await board.call(tool.name, fitting(tool))
    for resource in (await client.list_resources()).resources[:1]:
        await client.read_resource(resource.uri)
    for prompt in (await client.list_prompts()).prompts[:1]:
        await client.get_prompt(prompt.name)


async def called_each(board: AsyncBoard) -> None:
    with board.expect("listing:header"):
        tools = await board.tools()
    for tool in tools:
        await attempted(board, tool.name, fitting(tool))


async def called_as_told(board: AsyncBoard) -> None:
    names = [tool.name for tool in await board.tools()]
    for call in json.loads(os.environ["MCP_CONFORMANCE_CONTEXT"])["toolCalls"]:
        assert f"peer__{call['name']}" in names, f"{call['name']} was not listed"
        await attempted(board, f"peer__{call['name']}", call.get("arguments") or {})


async def attempted(board: AsyncBoard, name: str, arguments: Mapping[str, object]) -> None:
    """Call a tool; that the server may refuse it is the scenario's business."""
    try:
        await board.call(name, arguments)
    except MCPError as refusal:
        sys.stderr.write(f"{name}: {refusal}\n")


SCENARIOS: dict[str, Callable[[AsyncBoard], Awaitable[None]]] = {
    "initialize": listed,
    "tools_call": added,
    "sse-retry": reconnected,
    "elicitation-sep1034-client-defaults": filled_in,
    "json-schema-2020-12-preservation": echoed,
    "json-schema-ref-no-deref": listed,
    "request-metadata": added,
    "sep-2322-client-request-state": in_rounds,
    "http-standard-headers": touched,
    "http-custom-headers": called_as_told,
    "http-invalid-tool-headers": called_each,
}


def opener(scenario: str, url: str) -> Opener:
    """Describe the board, with a user who answers what the scenario's server may ask."""
    revision = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "2025-11-25")
    modern = revision >= "2026-07-28" and scenario not in HANDSHAKE_ONLY
    board = switchboard(peer=url, era="modern" if modern else "handshake")
    for _ in range(2):
        board.user.script({"confirmed": True} if scenario == "sep-2322-client-request-state" else defaults)
    return board


async def main(scenario: str, url: str) -> None:
    async with opener(scenario, url) as board:
        await SCENARIOS[scenario](board)


if __name__ == "__main__":
    anyio.run(main, os.environ["MCP_CONFORMANCE_SCENARIO"], sys.argv[-1])

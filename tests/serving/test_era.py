"""A server that is offered in one era only meets the clients of the other as a server that has never heard of it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.serving.listening import SERVE, listening

pytestmark = pytest.mark.anyio

REVISIONS = {"handshake": "2025-11-25", "modern": "2026-07-28", "both": "2026-07-28"}


@pytest.fixture
def anyio_backend() -> str:
    """Asyncio only: the SDK's HTTP client leaves generators to trio's garbage collection, which warns."""
    return "asyncio"


@contextmanager
def client(transport: str, era: str, mode: str) -> Generator[Client]:
    if transport == "stdio":
        python, *arguments = [*SERVE, "agent", "--era", era]
        yield Client(stdio_client(StdioServerParameters(command=python, args=arguments)), mode=mode)
        return
    with listening("agent", "--http", "0", "--era", era) as url:
        yield Client(url, mode=mode)


@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize("era", REVISIONS)
async def test_a_client_of_both_eras_finds_the_one_that_is_offered(transport: str, era: str) -> None:
    with client(transport, era, "auto") as opened:
        async with opened as connected:
            assert connected.session.protocol_version == REVISIONS[era]
            assert [tool.name for tool in (await connected.list_tools()).tools] == ["run", "plan", "execute"]


@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize(("era", "mode"), [("modern", "legacy"), ("handshake", "2026-07-28")])
async def test_a_client_of_the_other_era_is_refused(transport: str, era: str, mode: str) -> None:
    with client(transport, era, mode) as opened, pytest.raises((MCPError, ExceptionGroup)):
        async with opened as connected:
            await connected.list_tools()


async def posted(url: str, method: str = "POST", body: object = None, **headers: str) -> tuple[int, object]:
    async with httpx2.AsyncClient() as http:
        named = {
            "accept": "application/json, text/event-stream",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        answer = await http.request(method, url, json=body, headers=named)
        return answer.status_code, answer.json()


async def test_initialize_is_refused_with_the_revisions_that_are_spoken() -> None:
    asked = {"jsonrpc": "2.0", "id": "a", "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}
    with listening("agent", "--http", "0", "--era", "modern") as url:
        assert await posted(url, body=asked) == (400, {
            "jsonrpc": "2.0",
            "id": "a",
            "error": {
                "code": -32022,
                "message": "Unsupported protocol version",
                "data": {"supported": ["2026-07-28"], "requested": "2025-11-25"},
            },
        })  # fmt: skip
        assert (await posted(url, "DELETE"))[0] == 405


async def test_a_revision_of_the_other_era_is_one_that_does_not_exist() -> None:
    asked: dict[str, object] = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {}}
    with listening("agent", "--http", "0", "--era", "handshake") as url:
        status, answer = await posted(url, body=asked, mcp_protocol_version="2026-07-28")
    said = "Bad Request: Unsupported protocol version: 2026-07-28 (supported versions: 2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25)"
    assert (status, answer) == (400, {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": said}})

"""A server over stdio that says what it was given, in every way that servers say such things."""

from __future__ import annotations

import base64
import json
import os
import sys

import anyio
import mcp_types as types
from mcp import MCPError
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server


def sayings(token: str, password: str) -> dict[str, str]:
    """Return what each tool says, of the server's variable and argument and of secrets that only the server knows."""
    return {
        "variable": f"SHOP_TOKEN is {token}",
        "argument": f"I was started with {password}",
        "json": json.dumps({"body": json.dumps({"access_token": "at1-json", "refresh_token": "rt1-json", "expires_in": 3600})}),
        "form": "grant_type=authorization_code&code=ac1-form&client_secret=cs1-form&code_verifier=cv1-form",
        "basic": "Authorization: Basic " + base64.b64encode(b"bob:pw1-basic").decode(),
        "base64": base64.b64encode(f"xy{token}z".encode()).decode(),
        "hex": token.encode().hex(),
        "url": "https://bob:pw1-url@shop.example/?api_key=ak1-url#access_token=at1-url",
        "headers": "HTTP/1.1 200 OK\nSet-Cookie: sid=ck1-header; Path=/\nX-Api-Key: ak1-header",
        "yaml": "user: bob\npassword: pw1-yaml\n",
        "issued": "ghp_0123456789abcdefghij0123456789abcdef eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl",
    }


async def _call(context: ServerRequestContext, params: types.CallToolRequestParams) -> types.CallToolResult:
    token = os.environ["SHOP_TOKEN"]
    if params.name == "error":
        raise MCPError(-32001, f"401 for {token}", {"sent": f"Bearer {token}"})
    if params.name == "stderr":
        print(f"curl -u bob:{token} -H 'Authorization: Bearer bt1-stderr'", file=sys.stderr, flush=True)
    half = len(token) // 2
    texts = (token[:half], token[half:]) if params.name == "split" else (sayings(token, sys.argv[-1]).get(params.name, ""),)
    return types.CallToolResult(content=[types.TextContent(text=text) for text in texts])


async def _main() -> None:
    async with stdio_server() as (read, write):
        server = Server("leaky", on_call_tool=_call)
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(_main)

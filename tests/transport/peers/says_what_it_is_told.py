"""A server whose one tool writes the bytes it is given, as they are; with `then` true, a proper answer after them."""

import json
import sys

INFO: dict[str, object] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "parrot", "version": "1"},
}
TOOLS = {"tools": [{"name": "say", "inputSchema": {"type": "object"}}]}


def write(ident: object, result: object) -> None:
    sys.stdout.buffer.write(json.dumps({"jsonrpc": "2.0", "id": ident, "result": result}).encode() + b"\n")


for line in sys.stdin.buffer:
    message = json.loads(line)
    params = message.get("params", {})
    match message.get("method"):
        case "initialize":
            write(message["id"], INFO)
        case "tools/list":
            write(message["id"], TOOLS)
        case "tools/call":
            said = bytes.fromhex(params["arguments"]["hex"]).replace(b"$ID", json.dumps(message["id"]).encode())
            sys.stdout.buffer.write(said + b"\n")
            if params["arguments"]["then"]:
                write(message["id"], {"content": []})
        case "server/discover":
            error = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no such method"}}
            sys.stdout.buffer.write(json.dumps(error).encode() + b"\n")
        case _:
            pass
    sys.stdout.buffer.flush()

"""The sequential-thinking server: remembers numbered thoughts, after `@modelcontextprotocol/server-sequential-thinking`.

See README.md beside this file. Pinned by `tests/fakes/test_sequential_thinking.py`; that it is the reference on the wire, by
`tests/peers/test_parity_thinking.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    ListToolsResult,
    PaginatedRequestParams,
    Tool,
    ToolAnnotations,
    ToolExecution,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from ..server import LowLevelFake  # noqa: TID252 - the package is also loaded under an alias
from .arguments import INPUT_SCHEMA, Thought, read

__all__ = ["OFF", "TOOL", "SequentialThinking", "from_environment", "sequential_thinking"]

TOOL = "sequentialthinking"
"""The name of its one tool."""

OFF = "DISABLE_THOUGHT_LOGGING"
"""The variable that switches the drawing off, with the value `true` in any case."""

_INHERITED = frozenset([
    "__proto__", "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
    "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
])  # fmt: skip  # one line for each would hide the module's point
"""Names of branches that the reference finds taken: what every JavaScript object has."""

_OUTPUT_SCHEMA: dict[str, object] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "thoughtNumber": {"type": "number"},
        "totalThoughts": {"type": "number"},
        "nextThoughtNeeded": {"type": "boolean"},
        "branches": {"type": "array", "items": {"type": "string"}},
        "thoughtHistoryLength": {"type": "number"},
    },
    "required": ["thoughtNumber", "totalThoughts", "nextThoughtNeeded", "branches", "thoughtHistoryLength"],
    "additionalProperties": False,
}

_DESCRIPTION = """Think a problem through in numbered steps, and keep a record of them.

Call it once per step, with the step's text, its number and how many steps it may take; the estimate may change on the way. A step can
take an earlier one back (`isRevision`, `revisesThought`) or leave it for another way (`branchFromThought`, `branchId`). Set
`nextThoughtNeeded` to false with the step that answers."""


@dataclass(slots=True)
class History:
    """What one run of the server remembers."""

    thoughts: list[Thought] = field(default_factory=list[Thought])
    branches: list[str] = field(default_factory=list[str])


Context = ServerRequestContext[History]


def sequential_thinking(*, env: Mapping[str, str] | None = None, quirks: bool = False) -> SequentialThinking:
    """Return a sequential-thinking server.

    Args:
        env: The environment that it sees; in process none of the test's own. Each thought is drawn on standard error unless
            `DISABLE_THOUGHT_LOGGING` is `true`.
        quirks: Do as the reference does where it breaks the specification: see README.md.
    """
    return SequentialThinking(is_drawing=(env or {}).get(OFF, "").lower() != "true", quirks=quirks)


def from_environment(environment: Mapping[str, str], _told: Mapping[str, str]) -> dict[str, object]:
    """Return the arguments with which the server is a process: the environment with the variable that switches the drawing off."""
    return {"env": environment}


class SequentialThinking(LowLevelFake[History]):
    """A low-level server with one tool; made by `sequential_thinking`. The list of tools may change, as the reference says."""

    may_change = NotificationOptions(tools_changed=True)

    def __init__(self, *, is_drawing: bool, quirks: bool) -> None:
        super().__init__(
            "sequential-thinking-server",
            version="2026.8.31",
            lifespan=_remembering,
            on_list_tools=self._list,
        )
        self.strict_json = not quirks
        # Results are plain members: the SDK's model of them would add `isError: false`, which the reference leaves out.
        self.add_request_handler("tools/call", CallToolRequestParams, self._call)
        self._is_drawing = is_drawing
        self._quirks = quirks
        if quirks:
            self.middleware.append(_malformed_is_internal)

    async def _list(self, _context: Context, _params: PaginatedRequestParams | None) -> ListToolsResult:
        tool = Tool(
            name=TOOL,
            title="Sequential Thinking",
            description=_DESCRIPTION,
            input_schema=INPUT_SCHEMA,
            output_schema=_OUTPUT_SCHEMA,
            annotations=ToolAnnotations(
                read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
            ),
            execution=ToolExecution(task_support="forbidden"),
        )
        return ListToolsResult(tools=[tool])

    async def _call(self, context: Context, params: CallToolRequestParams) -> dict[str, object]:
        result = self._answer(context, params)
        return {"resultType": "complete", **result} if context.protocol_version in MODERN_PROTOCOL_VERSIONS else result

    def _answer(self, context: Context, params: CallToolRequestParams) -> dict[str, object]:
        if self._quirks and "task" in (context.params or {}):
            raise MCPError(INTERNAL_ERROR, "this server creates no tasks, which the call asks for")
        if params.name != TOOL:
            said = f"Tool {params.name} not found"
            if self._quirks:
                return _failed(f"MCP error {INVALID_PARAMS}: {said}")
            raise MCPError(INVALID_PARAMS, said)
        thought = read(params.arguments or {})
        if isinstance(thought, list):
            wrong = "\n".join(thought)
            return _failed(f"MCP error {INVALID_PARAMS}: Input validation error: Invalid arguments for tool {TOOL}: {wrong}")
        return self._remember(context.lifespan_context, thought)

    def _remember(self, history: History, thought: Thought) -> dict[str, object]:
        history.thoughts.append(thought)
        branch = thought.branch if thought.branch_from else None
        if self._quirks and branch in _INHERITED:
            return _failed(_pretty({"error": f"every object has a {branch}", "status": "failed"}))
        if branch and branch not in history.branches:
            history.branches.append(branch)
        if self._is_drawing:
            print(drawing(thought), file=sys.stderr, flush=True)  # noqa: T201 - what the reference writes there too
        said = {
            "thoughtNumber": thought.number,
            "totalThoughts": thought.total,
            "nextThoughtNeeded": thought.is_next_needed,
            "branches": sorted(history.branches, key=_key_order),
            "thoughtHistoryLength": len(history.thoughts),
        }
        return {"content": [{"type": "text", "text": _pretty(said)}], "structuredContent": said}


def drawing(thought: Thought) -> str:
    """Draw a thought for a person who watches standard error."""
    where = f"thought {thought.number} of {thought.total}"
    if thought.is_revision:
        where += f", revises {thought.revises}"
    elif thought.branch_from:
        where += f", branch {thought.branch} from {thought.branch_from}"
    return "\n".join([f"+-- {where}", *(f"|   {line}" for line in thought.text.splitlines()), "+--"])


@asynccontextmanager
async def _remembering(_server: Server[History]) -> AsyncGenerator[History]:
    yield History()


async def _malformed_is_internal(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Blame the server for parameters that do not fit, as the reference does."""
    try:
        return await call_next(ctx)
    except ValidationError as error:
        raise MCPError(INTERNAL_ERROR, f"the parameters do not fit: {error.error_count()} error(s)") from None


def _failed(text: str) -> dict[str, object]:
    return {"content": [{"type": "text", "text": text}], "isError": True}


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _key_order(name: str) -> tuple[bool, int]:
    """Order names as the keys of a JavaScript object: array indices first, by value, then the others as they came."""
    is_index = name.isascii() and name.isdigit() and str(int(name)) == name and int(name) < 2**32 - 1
    return (not is_index, int(name) if is_index else 0)

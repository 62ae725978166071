"""Runs of programs over a client's tools: in one process from beginning to end, or in steps between which nothing is held.

Both give the same answers. `Runs.run` waits for its calls through `peer`; `Runs.step` is the sealed tool of the modern era, which
returns the paused interpreter to the client with the calls it waits for. Pinned by `tests/fakes/test_code_mode.py` and
`tests/fakes/test_code_mode_sealed.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, cast

from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp_types import CallToolResult, TextContent, Tool

from pytest_mcpsym.symmetric import Ask, Peer, answer_of
from pytest_mcpsym.symmetric import Call as Request

from .program import ProgramError, functions
from .sandbox import Answer, Call, Finished, Interpreter, Limits, Paused, Sandbox, Waiting
from .stubs import stubs

__all__ = ["Runs", "granted"]

Responses = Mapping[str, Mapping[str, object]]


def granted(tools: Sequence[Tool]) -> dict[str, Tool]:
    """Return the tools by the names of their functions."""
    by_name = {tool.name: tool for tool in tools}
    return {function: by_name[name] for function, name in functions(by_name).items()}


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs programs, each in an interpreter of its own."""

    limits: Limits
    seed: int
    now: datetime

    async def run(self, client: Peer, program: str) -> CallToolResult:
        """Run a program to its end."""
        tools = granted(await client.list_tools())
        interpreter = self._interpreter(tools)
        try:
            async with Sandbox(interpreter) as sandbox:
                step = await sandbox.turn(lambda: interpreter.start(program))
                while isinstance(step, Waiting):
                    answers = await _ask(client, tools, step.calls)
                    step = await sandbox.turn(lambda answers=answers: interpreter.answer(answers))
        except ProgramError as error:
            return _failed(str(error), interpreter.printed)
        return _finished(step.value, interpreter.printed)

    async def step(
        self, ctx: ServerRequestContext[Any, Any], state: bytes | None, responses: Responses
    ) -> Ask | CallToolResult:
        """Begin a program, or run it on with answers: a step of a sealed tool."""
        if state is None:
            program = cast("Mapping[str, Any]", (ctx.params or {}).get("arguments") or {}).get("program")
            if not isinstance(program, str):
                return _failed("the argument 'program' must be a text", "")
            return _list_tools(program, [], None)
        head, _, dump = state.partition(b"\n")
        held = cast("dict[str, Any]", json.loads(head))
        if "program" in held:
            return await self._listed(held["program"], held["tools"], answer_of(responses["tools"]))
        return await self._answered(held, dump, responses)

    async def _listed(self, program: str, tools: list[object], page: Mapping[str, Any]) -> Ask | CallToolResult:
        tools = [*tools, *page["tools"]]
        if page.get("nextCursor") is not None:
            return _list_tools(program, tools, page["nextCursor"])
        offered = granted([Tool.model_validate(tool) for tool in tools])
        interpreter = self._interpreter(offered)
        names = {function: tool.name for function, tool in offered.items()}
        return await _drive(interpreter, names, lambda: interpreter.start(program))

    async def _answered(self, held: dict[str, Any], dump: bytes, responses: Responses) -> Ask | CallToolResult:
        """Run the program on once all its calls are answered; the client may answer them one by one."""
        open_calls = {int(number): Call(**call) for number, call in held["open"].items()}
        names = cast("dict[str, str]", held["names"])
        came = {number: asdict(_response(names[open_calls[int(number)].function], each)) for number, each in responses.items()}
        answers = {**held["answers"], **came}
        if set(held["asked"]) - answers.keys():
            return Ask({}, _state({**held, "answers": answers}, dump))
        interpreter = Interpreter(names, "", self.limits, seed=self.seed, now=self.now)
        paused = Paused(dump, open_calls, held["made"], held["printed"])

        def resume() -> Waiting | Finished:
            interpreter.load(paused)
            return interpreter.answer({int(number): Answer(**answer) for number, answer in answers.items()})

        return await _drive(interpreter, names, resume)

    def _interpreter(self, tools: Mapping[str, Tool]) -> Interpreter:
        return Interpreter(tools, stubs(tools, waiting=True), self.limits, seed=self.seed, now=self.now)


async def _ask(client: Peer, tools: Mapping[str, Tool], calls: Mapping[int, Call]) -> dict[int, Answer]:
    """Make calls side by side, in one leg."""
    answers: dict[int, Answer] = {}

    async def one(number: int, call: Call) -> None:
        tool = tools[call.function].name
        try:
            answers[number] = _answer(tool, await client.call_tool(tool, call.arguments))
        except MCPError as error:
            answers[number] = _refused(tool, error)

    async with client.batch() as group:
        for number, call in calls.items():
            group.start_soon(one, number, call)
    return answers


def _list_tools(program: str, tools: list[object], cursor: str | None) -> Ask:
    params = {} if cursor is None else {"cursor": cursor}
    return Ask({"tools": Request("tools/list", params)}, _state({"program": program, "tools": tools}, b""))


async def _drive(
    interpreter: Interpreter, names: Mapping[str, str], turn: Callable[[], Waiting | Finished]
) -> Ask | CallToolResult:
    """Run a program until it ends or waits, and in that case return what is to be called and the state to go on from."""
    try:
        async with Sandbox(interpreter) as sandbox:
            step = await sandbox.turn(turn)
            if isinstance(step, Finished):
                return _finished(step.value, interpreter.printed)
            paused = await sandbox.turn(interpreter.pause)
    except ProgramError as error:
        return _failed(str(error), interpreter.printed)
    calls = {
        str(number): Request("tools/call", {"name": names[call.function], "arguments": call.arguments})
        for number, call in step.calls.items()
    }
    held = {
        "names": dict(names),
        "asked": list(calls),
        "answers": {},
        "open": {number: asdict(call) for number, call in paused.open.items()},
        "made": paused.made,
        "printed": paused.printed,
    }
    return Ask(calls, _state(held, paused.dump))


def _state(held: Mapping[str, object], dump: bytes) -> bytes:
    return json.dumps(held).encode() + b"\n" + dump


def _response(tool: str, response: Mapping[str, object]) -> Answer:
    try:
        return _answer(tool, CallToolResult.model_validate(answer_of(response)))
    except MCPError as error:
        return _refused(tool, error)


def _answer(tool: str, result: CallToolResult) -> Answer:
    text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
    if result.is_error:
        return Answer(failure=f"{tool} failed: {text}")
    return Answer(text if result.structured_content is None else result.structured_content)


def _refused(tool: str, error: MCPError) -> Answer:
    return Answer(failure=f"{tool} failed: {error.error.message}")


def _finished(value: object, printed: str) -> CallToolResult:
    text = value if isinstance(value, str) else json.dumps(value)
    content = TextContent(type="text", text=text)
    return CallToolResult(content=[content], structured_content={"value": value, "printed": printed})


def _failed(why: str, printed: str) -> CallToolResult:
    content = TextContent(type="text", text=why)
    return CallToolResult(content=[content], structured_content={"printed": printed}, is_error=True)

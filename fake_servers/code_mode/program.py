"""Straight-line programs over granted tools: parse, refuse what is no such program, run.

A program is a list of statements. A statement is a call of a tool with keyword arguments, or assigns one to a name; an argument is a
JSON value written as in Python, in which names assigned before may stand. The value of the last statement is the program's. Nothing
else exists in the language, so there is nothing to escape from. A program is refused before any of it runs. Pinned by
`tests/fakes/test_program.py`.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from typing import NamedTuple

__all__ = ["ProgramError", "functions", "run_program"]

Tool = Callable[[str, dict[str, object]], Awaitable[object]]
"""Calls a tool by name with its arguments and returns its value."""


class ProgramError(ValueError):
    """A program that is refused, with the line."""


class _Statement(NamedTuple):
    target: str | None
    tool: str
    arguments: dict[str, ast.expr]


def functions(tools: Iterable[str]) -> dict[str, str]:
    """Return the name of the function for each tool: `everything__get-sum` is `everything__get_sum` in a program.

    Args:
        tools: Names of tools, in the order in which the client lists them. Where two would be one function, the later one's name
            ends in `_2`, `_3`, …

    Returns:
        The tool's name by the function's name.
    """
    named: dict[str, str] = {}
    for tool in tools:
        base = re.sub(r"\W", "_", tool, flags=re.ASCII)
        name, count = base, 1
        while name in named:
            count += 1
            name = f"{base}_{count}"
        named[name] = tool
    return named


async def run_program(program: str, tools: Collection[str], call: Tool) -> object:
    """Run a program and return the value of its last statement.

    Args:
        program: Its text.
        tools: Names that it may call.
        call: Calls one of them.

    Raises:
        ProgramError: It is no straight-line program, or calls something that is not granted. Nothing was called.
    """
    names: dict[str, object] = {}
    value: object = None
    for target, tool, arguments in _read(program, tools):
        value = await call(tool, {name: _value(node, names) for name, node in arguments.items()})
        if target is not None:
            names[target] = value
    return value


def _read(program: str, tools: Collection[str]) -> list[_Statement]:
    try:
        body = ast.parse(program).body
    except SyntaxError as error:
        raise ProgramError(f"line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ProgramError(f"the program cannot be read: {error}") from None
    if not body:
        raise ProgramError("the program is empty")
    statements: list[_Statement] = []
    assigned: set[str] = set()
    for node in body:
        statement = _statement(node, tools)
        for argument in statement.arguments.values():
            _check(argument, assigned)
        if statement.target is not None:
            assigned.add(statement.target)
        statements.append(statement)
    return statements


def _statement(node: ast.stmt, tools: Collection[str]) -> _Statement:
    target: str | None = None
    called: ast.expr | None = None
    if isinstance(node, ast.Expr):
        called = node.value
    elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        target, called = node.targets[0].id, node.value
    if isinstance(called, ast.Await):
        called = called.value
    if not isinstance(called, ast.Call) or not isinstance(called.func, ast.Name):
        raise ProgramError(f"line {node.lineno}: a statement is `tool(name=value)` or `result = tool(name=value)`")
    tool = called.func.id
    if tool not in tools:
        granted = ", ".join(sorted(tools)) or "none"
        raise ProgramError(f"line {node.lineno}: no tool {tool!r} is granted (granted: {granted})")
    return _Statement(target, tool, dict(_keywords(called, tool)))


def _keywords(called: ast.Call, tool: str) -> Iterator[tuple[str, ast.expr]]:
    seen: set[str] = set()
    if called.args or any(keyword.arg is None for keyword in called.keywords):
        raise ProgramError(f"line {called.lineno}: {tool} takes keyword arguments only")
    for keyword in called.keywords:
        name = keyword.arg or ""
        if name in seen:
            raise ProgramError(f"line {keyword.lineno}: {tool} is given {name} twice")
        seen.add(name)
        yield name, keyword.value


def _check(node: ast.expr, assigned: Collection[str]) -> None:
    """Refuse an argument that is no JSON value with names in it."""
    if isinstance(node, ast.Name):
        if node.id not in assigned:
            raise ProgramError(f"line {node.lineno}: the name {node.id!r} was not assigned before")
    elif isinstance(node, (ast.List, ast.Tuple)):
        for element in node.elts:
            _check(element, assigned)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
                raise ProgramError(f"line {node.lineno}: the keys of a dict are texts")
            _check(value, assigned)
    elif not _is_json(_constant(node)):
        raise ProgramError(f"line {node.lineno}: an argument is a JSON value, a name, or a list or dict of these")


def _is_json(value: object) -> bool:
    return value is None or isinstance(value, (str, bool, int)) or (isinstance(value, float) and math.isfinite(value))


def _constant(node: ast.expr) -> object:
    """The value of a constant or of a negative number; `...`, which is no JSON, for anything else."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        number = node.operand.value
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            return -number
    return ...


def _value(node: ast.expr, names: dict[str, object]) -> object:
    """The value of an argument that `_check` let pass."""
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(element, names) for element in node.elts]
    if isinstance(node, ast.Dict):
        keys = (key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))
        return {key: _value(value, names) for key, value in zip(keys, node.values, strict=True)}
    return _constant(node)

"""Straight-line programs over granted tools: parse, refuse what is no such program, run.

A program is a list of statements. A statement is a call of a tool with keyword arguments, or assigns one to a name; arguments are
literals, names assigned before, and lists and dicts of these. The value of the last statement is the program's. Nothing else exists in
the language, so there is nothing to escape from. Pinned by `tests/fakes/test_code_mode.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Awaitable, Callable, Collection

__all__ = ["ProgramError", "run_program"]

Tool = Callable[[str, dict[str, object]], Awaitable[object]]
"""Calls a tool by name with its arguments and returns its value."""


class ProgramError(ValueError):
    """A program that is refused, with the line."""


async def run_program(program: str, tools: Collection[str], call: Tool) -> object:
    """Run a program and return the value of its last statement.

    Args:
        program: Its text.
        tools: Names that it may call.
        call: Calls one of them.

    Raises:
        ProgramError: It is no straight-line program, or calls something that is not granted. Nothing was called before the line that is
            wrong was reached, and syntax errors are found before anything runs.
    """
    names: dict[str, object] = {}
    value: object = None
    for statement in _statements(program, tools):
        target, called = statement
        arguments = {keyword.arg or "": _value(keyword.value, names) for keyword in called.keywords}
        assert isinstance(called.func, ast.Name)
        value = await call(called.func.id, arguments)
        if target is not None:
            names[target] = value
    return value


def _statements(program: str, tools: Collection[str]) -> list[tuple[str | None, ast.Call]]:
    try:
        body = ast.parse(program).body
    except SyntaxError as error:
        raise ProgramError(f"line {error.lineno}: {error.msg}") from None
    if not body:
        raise ProgramError("the program is empty")
    return [_statement(node, tools) for node in body]


def _statement(node: ast.stmt, tools: Collection[str]) -> tuple[str | None, ast.Call]:
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
    if called.func.id not in tools:
        granted = ", ".join(sorted(tools)) or "none"
        raise ProgramError(f"line {node.lineno}: no tool {called.func.id!r} is granted (granted: {granted})")
    if called.args or any(keyword.arg is None for keyword in called.keywords):
        raise ProgramError(f"line {node.lineno}: {called.func.id} takes keyword arguments only")
    return target, called


def _value(node: ast.expr, names: dict[str, object]) -> object:
    if isinstance(node, ast.Name):
        if node.id not in names:
            raise ProgramError(f"line {node.lineno}: the name {node.id!r} was not assigned before")
        return names[node.id]
    if isinstance(node, ast.List):
        return [_value(element, names) for element in node.elts]
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {str(_value(key, names)): _value(value, names) for key, value in zip(node.keys, node.values, strict=True) if key}
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ProgramError(f"line {node.lineno}: an argument is a literal, a name, or a list or dict of these") from None

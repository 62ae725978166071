"""The text of a program: the names of its functions, and which of its calls wait for their answer.

A program is Python. Each granted tool is an `async` function in it, and yet a bare call is as good as an awaited one:
`x = everything__echo(message='hi')` works, in a plain function too. So a call which nobody can await is renamed to a twin that answers
at once (`everything__echo` and `WAITS`); calls under `await` and those handed to `asyncio.gather` keep the name. Lines stay as they
are. Nothing here runs anything, and nothing here needs the interpreter. Pinned by `tests/fakes/test_program.py`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from keyword import iskeyword

__all__ = ["WAITS", "ProgramError", "functions", "with_waiting_calls"]

WAITS = "\u02d1"
"""Ends the name of a function that answers at once. A letter, which the name of no granted function has."""

_TRANSPARENT = frozenset({"list", "reversed", "tuple"})
"""Functions that hand on the calls in their arguments without looking into them."""


class ProgramError(ValueError):
    """A program that is refused or has failed, with the line where there is one."""


def functions(tools: Iterable[str]) -> dict[str, str]:
    """Return the name of the function for each tool: `everything__get-sum` is `everything__get_sum` in a program.

    Args:
        tools: Names of tools, in the order in which the client lists them. Where two would be one function, the later one's name
            ends in `_2`, `_3`, …

    Returns:
        The tool's name by the function's name: an identifier that is no keyword.
    """
    named: dict[str, str] = {}
    for tool in tools:
        base = re.sub(r"\W", "_", tool, flags=re.ASCII)
        if not base or base[0].isdigit():
            base = f"_{base}"
        if iskeyword(base):
            base += "_"
        name, count = base, 1
        while name in named:
            count += 1
            name = f"{base}_{count}"
        named[name] = tool
    return named


def with_waiting_calls(program: str, granted: Collection[str]) -> str:
    """Return a program in which each call that nobody awaits goes to the twin that answers at once.

    Args:
        program: Its text.
        granted: Names of the functions; one that the program binds itself is left alone.

    Raises:
        ProgramError: It is empty or no Python.
    """
    text = program.replace("\r\n", "\n").replace("\r", "\n")
    try:
        nodes = list(ast.walk(ast.parse(text)))
        awaited = frozenset(_awaited(nodes))
    except SyntaxError as error:
        raise ProgramError(f"line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ProgramError(f"the program cannot be read: {error}") from None
    if len(nodes) == 1:
        raise ProgramError("the program is empty")
    ours = frozenset(granted) - frozenset(_bound(nodes))
    ends = [
        (node.func.end_lineno or 0, node.func.end_col_offset or 0)
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ours and node not in awaited
    ]
    lines = [line.encode() for line in text.split("\n")]
    for number, column in sorted(ends, reverse=True):
        line = lines[number - 1]
        lines[number - 1] = line[:column] + WAITS.encode() + line[column:]
    return b"\n".join(lines).decode()


def _bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.asname or node.name


def _awaited(nodes: Collection[ast.AST]) -> Iterator[ast.Call]:
    """Calls under `await`, and those whose coroutines reach `asyncio.gather`, also through a list with a name."""
    gathered: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Await):
            yield from _handed_on(node.value)
        elif isinstance(node, ast.Call) and _name(node.func) == "gather":
            for argument in node.args:
                yield from _handed_on(argument)
                if isinstance(argument, ast.Starred) and isinstance(argument.value, ast.Name):
                    gathered.add(argument.value.id)
    for node in nodes:
        if isinstance(node, ast.Assign) and any(_name(target) in gathered for target in node.targets):
            yield from _handed_on(node.value)
        elif isinstance(node, ast.Call) and _appends_to(node) in gathered:
            for argument in node.args:
                yield from _handed_on(argument)


def _appends_to(call: ast.Call) -> str:
    return _name(call.func.value) if isinstance(call.func, ast.Attribute) and call.func.attr == "append" else ""


def _handed_on(node: ast.AST) -> Iterator[ast.Call]:
    """The calls whose coroutine is the value, or one of the values, of an expression."""
    if isinstance(node, ast.Call):
        yield node
        if _name(node.func) in _TRANSPARENT:
            for argument in node.args:
                yield from _handed_on(argument)
    elif isinstance(node, ast.Starred):
        yield from _handed_on(node.value)
    elif isinstance(node, (ast.List, ast.Tuple)):
        for element in node.elts:
            yield from _handed_on(element)
    elif isinstance(node, (ast.ListComp, ast.GeneratorExp)):
        yield from _handed_on(node.elt)
    elif isinstance(node, ast.IfExp):
        yield from _handed_on(node.body)
        yield from _handed_on(node.orelse)


def _name(node: ast.expr) -> str:
    """The last name of `gather` and of `asyncio.gather`."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""

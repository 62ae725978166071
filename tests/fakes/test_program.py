"""Straight-line programs run; anything else is refused, with its line, before a tool is called."""

from __future__ import annotations

import pytest

from fake_servers.code_mode import ProgramError, functions, run_program

pytestmark = pytest.mark.anyio

TOOLS = ("add", "echo")


class Calls:
    """Records calls and answers each with its own arguments."""

    def __init__(self) -> None:
        self.made: list[tuple[str, dict[str, object]]] = []

    async def __call__(self, name: str, arguments: dict[str, object]) -> object:
        self.made.append((name, arguments))
        return {"name": name, **arguments}


async def run(program: str) -> object:
    return await run_program(program, TOOLS, Calls())


async def test_the_value_of_a_program_is_that_of_its_last_statement() -> None:
    assert await run("add(a=1, b=2)\necho(message='hi')") == {"name": "echo", "message": "hi"}


async def test_statements_run_in_order() -> None:
    calls = Calls()
    await run_program("echo(message='1'); add(a=2)\necho(message='3')", TOOLS, calls)
    assert calls.made == [("echo", {"message": "1"}), ("add", {"a": 2}), ("echo", {"message": "3"})]


async def test_a_name_stands_for_what_was_assigned_to_it() -> None:
    assert await run("x = add(a=1)\necho(message=x)") == {"name": "echo", "message": {"name": "add", "a": 1}}


async def test_names_may_stand_inside_of_lists_and_dicts() -> None:
    found = await run("x = add()\necho(message={'all': [x, (x, 1)]})")
    assert found == {"name": "echo", "message": {"all": [{"name": "add"}, [{"name": "add"}, 1]]}}


async def test_a_name_may_be_assigned_anew() -> None:
    assert await run("x = add(a=1)\nx = add(a=x)\necho(message=x)") == {
        "name": "echo",
        "message": {"name": "add", "a": {"name": "add", "a": 1}},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'it''s'", "its"),
        ("-1", -1),
        ("-0.5", -0.5),
        ("1_000", 1000),
        ("None", None),
        ("True", True),
        ("[]", []),
        ("{}", {}),
        ("{'a': {'b': [1, 2]}}", {"a": {"b": [1, 2]}}),
    ],
)
async def test_an_argument_is_a_json_value(text: str, value: object) -> None:
    assert await run(f"echo(message={text})") == {"name": "echo", "message": value}


async def test_await_before_a_call_means_nothing() -> None:
    assert await run("x = await add()\nawait echo(message=x)") == {"name": "echo", "message": {"name": "add"}}


STATEMENT = "a statement is `tool(name=value)` or `result = tool(name=value)`"
VALUE = "an argument is a JSON value, a name, or a list or dict of these"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("import os", STATEMENT),
        ("x = 1", STATEMENT),
        ("x = y = add()", STATEMENT),
        ("a, b = add()", STATEMENT),
        ("x.y = add()", STATEMENT),
        ("x += add()", STATEMENT),
        ("for x in []: add()", STATEMENT),
        ("(lambda: add())()", STATEMENT),
        ("add.echo()", STATEMENT),
        ("print(a=1)", "no tool 'print' is granted (granted: add, echo)"),
        ("add(1)", "add takes keyword arguments only"),
        ("add(**{})", "add takes keyword arguments only"),
        ("add(a=1, a=2)", "add is given a twice"),
        ("add(a=x)", "the name 'x' was not assigned before"),
        ("x = add(a=x)", "the name 'x' was not assigned before"),
        ("add(a=[y])", "the name 'y' was not assigned before"),
        ("add(a={1: 2})", "the keys of a dict are texts"),
        ("add(a={**{}})", "the keys of a dict are texts"),
        ("add(a={1, 2})", VALUE),
        ("add(a=b'x')", VALUE),
        ("add(a=1e999)", VALUE),
        ("add(a=1j)", VALUE),
        ("add(a=1 + 1)", VALUE),
        ("add(a=--1)", VALUE),
        ("add(a=-True)", VALUE),
        ("add(a=...)", VALUE),
        ("add(a=f'{1}')", VALUE),
        ("add(a=echo())", VALUE),
    ],
)
async def test_what_is_no_straight_line_program_is_refused_before_anything_runs(line: str, why: str) -> None:
    calls = Calls()
    with pytest.raises(ProgramError) as refusal:
        await run_program(f"echo(message='first')\n{line}", TOOLS, calls)
    assert (str(refusal.value), calls.made) == (f"line 2: {why}", [])


@pytest.mark.parametrize("program", ["", "\n", "# nothing"])
async def test_an_empty_program_is_refused(program: str) -> None:
    with pytest.raises(ProgramError, match=r"^the program is empty$"):
        await run(program)


@pytest.mark.parametrize("program", ["add(", "add() add()", "\x00add()", "add(a=" + "[" * 500 + "]" * 500 + ")"])
async def test_text_that_python_cannot_read_is_refused(program: str) -> None:
    with pytest.raises(ProgramError):
        await run(program)


async def test_a_name_outlives_no_program() -> None:
    await run("x = add()")
    with pytest.raises(ProgramError, match="was not assigned before"):
        await run("echo(message=x)")


def test_a_function_is_spelled_as_python_needs_it() -> None:
    assert functions(["everything__get-sum", "files__read.me"]) == {
        "everything__get_sum": "everything__get-sum",
        "files__read_me": "files__read.me",
    }


def test_two_tools_of_one_spelling_are_two_functions() -> None:
    assert functions(["a__x-y", "a__x.y", "a__x_y"]) == {"a__x_y": "a__x-y", "a__x_y_2": "a__x.y", "a__x_y_3": "a__x_y"}

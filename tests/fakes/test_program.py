"""A call that nobody awaits goes to the twin that answers at once; lines stay as they are."""

from __future__ import annotations

import pytest

from fake_servers.code_mode.program import WAITS, ProgramError, functions, with_waiting_calls


def marked(program: str) -> str:
    return with_waiting_calls(program, ["f", "g"]).replace(WAITS, "!")


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("f(a=1)", "f!(a=1)"),
        ("x = f(a=g(b=2))", "x = f!(a=g!(b=2))"),
        ("f().upper() + g()['x']", "f!().upper() + g!()['x']"),
        ("'é€'; f(); g()", "'é€'; f!(); g!()"),
        ("f(\n  a=g(),\n)", "f!(\n  a=g!(),\n)"),
        ("a = 1\r\nf()\rg()", "a = 1\nf!()\ng!()"),
        ("def h():\n    return f()", "def h():\n    return f!()"),
        ("sum(f(a=i) for i in x)", "sum(f!(a=i) for i in x)"),
        ("other(); f", "other(); f"),
    ],
)
def test_a_bare_call_waits(program: str, text: str) -> None:
    assert marked(program) == text


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("await f(a=1)", "await f(a=1)"),
        ("await f(a=g())", "await f(a=g!())"),
        ("(await f()).upper()", "(await f()).upper()"),
        ("await (f() if x else g())", "await (f() if x else g())"),
        ("await asyncio.gather(f(), g())", "await asyncio.gather(f(), g())"),
        ("await gather(f(), h(g()))", "await gather(f(), h(g!()))"),
        ("await gather(*[f(a=i) for i in x])", "await gather(*[f(a=i) for i in x])"),
        ("await gather(*(f(a=i) for i in x))", "await gather(*(f(a=i) for i in x))"),
        ("await gather(*[f(), g()])", "await gather(*[f(), g()])"),
        ("await gather(*list(f(a=i) for i in x))", "await gather(*list(f(a=i) for i in x))"),
        ("c = [f(a=i) for i in x]\nawait gather(*c)", "c = [f(a=i) for i in x]\nawait gather(*c)"),
        ("c = []\nc.append(f())\nd.append(g())\nawait gather(*c)", "c = []\nc.append(f())\nd.append(g!())\nawait gather(*c)"),
    ],
)
def test_a_call_that_is_awaited_stays(program: str, text: str) -> None:
    assert marked(program) == text


@pytest.mark.parametrize(
    "program", ["f = len\nf()", "def f(): ...\nf()", "def h(f):\n    f()", "import x as f\nf()", "class f: ...\nf()"]
)
def test_a_name_that_the_program_binds_is_its_own(program: str) -> None:
    assert marked(program) == program


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("", "the program is empty"),
        ("# nothing", "the program is empty"),
        ("f()\n1 +", r"line 2: invalid syntax"),
        ("f('\0')", "null bytes|cannot be read"),
        ("(" * 1000 + ")" * 1000, "too many nested parentheses|cannot be read"),
    ],
)
def test_what_is_no_program_is_refused(program: str, why: str) -> None:
    with pytest.raises(ProgramError, match=why):
        marked(program)


def test_functions_are_named_after_the_tools() -> None:
    assert functions(["everything__echo", "everything__get-sum"]) == {
        "everything__echo": "everything__echo",
        "everything__get_sum": "everything__get-sum",
    }


def test_two_tools_are_never_one_function() -> None:
    assert functions(["a-b", "a_b", "a.b", "a_b_2"]) == {"a_b": "a-b", "a_b_2": "a_b", "a_b_3": "a.b", "a_b_2_2": "a_b_2"}


def test_each_function_can_be_written() -> None:
    assert functions(["class", "2fast", "é", ""]) == {"class_": "class", "_2fast": "2fast", "_": "é", "__2": ""}

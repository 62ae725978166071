"""Wrong options, ini values and markers: one clear line each; help and markers read well."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_mcpsym import options
from tests.plugin.harness import Example, ini

MakeExample = Callable[..., Example]

NO_PATTERN = "is no pattern for findings; they look like 'jsonrpc:unanswered', 'progress:*' or 'link:progress:*'"
NO_SELECTION = "is no pattern for checks; they look like 'jsonrpc:unanswered', 'progress:*' or '-progress:*'"
VALID = "expect, checks, era, max_hops, max_calls, max_tokens, max_cost_usd, max_context_tokens, max_listed_tools, max_depth, max_fan_out, max_inlined_bytes, faults"
TEST = "def test_it(switchboard): pass\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mcp_era = old", "ini mcp_era = 'old': use handshake, modern or both"),
        ("mcp_trace = yes", "ini mcp_trace = 'yes': use off, on or retain-on-failure"),
        ("mcp_fail_on = info", "ini mcp_fail_on = 'info': use error, warning or never"),
        ("mcp_open_timeout = soon", "ini mcp_open_timeout = 'soon': use a number of seconds above 0"),
        ("mcp_call_timeout = 0", "ini mcp_call_timeout = '0': use a number of seconds above 0"),
        ("mcp_call_timeout = nan", "ini mcp_call_timeout = 'nan': use a number of seconds above 0"),
        ("mcp_call_timeout = inf", "ini mcp_call_timeout = 'inf': use a number of seconds above 0"),
        ("mcp_max_hops = 0", "ini mcp_max_hops = '0': use a whole number above 0"),
        ("mcp_max_hops = -3", "ini mcp_max_hops = '-3': use a whole number above 0"),
        ("mcp_max_calls = 1.5", "ini mcp_max_calls = '1.5': use a whole number above 0"),
        ("mcp_max_calls = many", "ini mcp_max_calls = 'many': use a whole number above 0"),
        ("mcp_max_tokens = 0", "ini mcp_max_tokens = '0': use a whole number above 0, or none"),
        ("mcp_max_tokens = 1.5", "ini mcp_max_tokens = '1.5': use a whole number above 0, or none"),
        ("mcp_max_cost_usd = -1", "ini mcp_max_cost_usd = '-1': use a number above 0, or none"),
        ("mcp_max_cost_usd = nan", "ini mcp_max_cost_usd = 'nan': use a number above 0, or none"),
        ("mcp_max_context_tokens = 0", "ini mcp_max_context_tokens = '0': use a whole number above 0, or none"),
        ("mcp_max_fan_out = few", "ini mcp_max_fan_out = 'few': use a whole number above 0, or none"),
        ("mcp_checks = -", f"ini mcp_checks: '-' {NO_SELECTION}"),
        ("mcp_checks = progress", f"ini mcp_checks: 'progress' {NO_SELECTION}"),
        ("mcp_checks = -progres:*", "ini mcp_checks: '-progres:*' selects no check; did you mean 'progress:*'?"),
        (
            "mcp_expect = progress",
            f"ini mcp_expect: 'progress' {NO_PATTERN}",
        ),
    ],
)
def test_a_wrong_ini_value_is_one_line(example: MakeExample, pytester: pytest.Pytester, line: str, message: str) -> None:
    run = example(TEST, **{"pytest.ini": ini(line)}).run_here(pytester)
    assert run.status == pytest.ExitCode.USAGE_ERROR
    assert [text for text in run.text.splitlines() if text] == [f"ERROR: {message}"]


@pytest.mark.parametrize(("option", "values"), [("--mcp-era", "both"), ("--mcp-trace", "retain-on-failure")])
def test_a_wrong_option_names_the_values(example: MakeExample, pytester: pytest.Pytester, option: str, values: str) -> None:
    run = example(TEST).run_here(pytester, f"{option}=x")
    assert run.status == pytest.ExitCode.USAGE_ERROR
    run.says(f"argument {option}: invalid choice: 'x'", values)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        (
            "expects=[]",
            f"@pytest.mark.mcp has no keyword 'expects'; did you mean 'expect'? (valid: {VALID})",
        ),
        ("colour=1", f"@pytest.mark.mcp has no keyword 'colour' (valid: {VALID})"),
        ("'modern'", f"@pytest.mark.mcp takes keywords only, not 'modern' (valid: {VALID})"),
        ("era='old'", "@pytest.mark.mcp(era='old'): use handshake, modern or both"),
        ("era=['both']", "@pytest.mark.mcp(era=['both']): use handshake, modern or both"),
        ("max_hops=0", "@pytest.mark.mcp(max_hops=0): use a whole number above 0"),
        ("max_calls='9'", "@pytest.mark.mcp(max_calls='9'): use a whole number above 0"),
        ("max_calls=True", "@pytest.mark.mcp(max_calls=True): use a whole number above 0"),
        ("max_tokens=1.0", "@pytest.mark.mcp(max_tokens=1.0): use a whole number above 0, or None"),
        ("max_cost_usd='1'", "@pytest.mark.mcp(max_cost_usd='1'): use a number above 0, or None"),
        ("max_cost_usd=0", "@pytest.mark.mcp(max_cost_usd=0): use a number above 0, or None"),
        ("max_depth=0", "@pytest.mark.mcp(max_depth=0): use a whole number above 0, or None"),
        ("max_listed_tools=2.5", "@pytest.mark.mcp(max_listed_tools=2.5): use a whole number above 0, or None"),
        ("max_inlined_bytes='1 kB'", "@pytest.mark.mcp(max_inlined_bytes='1 kB'): use a whole number above 0, or None"),
        (
            "max_call=1",
            f"@pytest.mark.mcp has no keyword 'max_call'; did you mean 'max_calls'? (valid: {VALID})",
        ),
        ("expect='a:b'", "@pytest.mark.mcp(expect='a:b'): use a list of patterns, as in expect=['jsonrpc:unanswered']"),
        (
            "checks='a:b'",
            "@pytest.mark.mcp(checks='a:b'): use a list of patterns, as in checks=['progress:*'] or checks=['-progress:*']",
        ),
        (
            "expect=['a']",
            f"@pytest.mark.mcp(expect=...): 'a' {NO_PATTERN}",
        ),
        (
            "expect=[1]",
            f"@pytest.mark.mcp(expect=...): 1 {NO_PATTERN}",
        ),
    ],
)
def test_a_wrong_marker_is_one_line(example: MakeExample, pytester: pytest.Pytester, marker: str, message: str) -> None:
    run = example(f"import pytest\n@pytest.mark.mcp({marker})\n{TEST}").run_here(pytester, "-q", "-rN")
    lines = run.text.splitlines()
    title = next(index for index, line in enumerate(lines) if "ERROR at setup of test_it" in line)
    assert lines[title + 1] == message
    assert " in " in lines[title + 2]


def test_a_board_for_a_module_is_refused_with_the_reason(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example("""
import pytest

@pytest.fixture(scope="module")
def shared(switchboard): pass

def test_it(shared): pass
""").run_here(pytester)
    assert run.outcomes == {"error": 1}
    run.says(
        "ScopeMismatch",
        "`switchboard` belongs to one test: its findings, snapshot and recording are judged and written per test",
    )


HELP = [
    "symmetric MCP (pytest-mcpsym):",
    "--mcp-era={handshake,modern,both} Protocol era of links that name none; `both` runs a test once per era. Default: ini mcp_era,",
    "--mcp-trace={off,on,retain-on-failure} When to write the transcript of a test's boards below mcp-traces/. Default: ini mcp_trace,",
    "--mcp-checks=PATTERNS Which checks run, with commas between: --mcp-checks=jsonrpc:*,progress:after-result;",
    "mcp_checks (linelist): checks that run, one pattern a line: FAMILY:RULE or -FAMILY:RULE, with *",
    "mcp_era (string): protocol era of links that name none: handshake, modern or both",
    "mcp_fail_on (string): least severity of a finding that fails its test: error, warning or never",
    "mcp_expect (linelist): findings that fail no test, one pattern a line: [LINK:]FAMILY:RULE, with *",
    "mcp_trace (string): when to write transcripts: off, on or retain-on-failure",
    "mcp_open_timeout (string): seconds that a server may take to start and to answer its first request",
    "mcp_call_timeout (string): seconds that an answer may take",
    "mcp_max_hops (string): hops that a route may have from its first caller to its last callee",
    "mcp_max_calls (string): calls that a route may have, all its branches together",
    "mcp_max_tokens (string): tokens of models that a route may spend, or none for any number",
    "mcp_max_cost_usd (string): US dollars that a route may spend, or none for any number",
    "mcp_max_context_tokens (string): tokens that may enter the context of one peer, or none for any number",
    "mcp_max_listed_tools (string): tools that one peer may be shown at once, or none for any number",
    "mcp_max_depth (string): hops of a route from its first caller to its last callee, beyond which a test fails, or none for any number",
    "mcp_max_fan_out (string): calls that one call may cause itself, or none for any number",
    "mcp_max_inlined_bytes (string): bytes of base64 in a call where a resource link would do, or none for any number",
]


def test_help_lists_our_options_and_settings(example: MakeExample, pytester: pytest.Pytester) -> None:
    text = " ".join(example(TEST).run_here(pytester, "--help").text.split())
    assert [line for line in HELP if line not in text] == []


def test_markers_list_ours_on_one_line(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(TEST).run_here(pytester, "--markers")
    run.says(
        "@pytest.mark.mcp(expect=[...], checks=[...], era=..., max_hops=..., max_calls=..., max_tokens=..., max_cost_usd=..., "
        "max_context_tokens=..., max_listed_tools=..., max_depth=..., max_fan_out=..., max_inlined_bytes=..., "
        "faults={...}): findings that this test expects, as patterns such as 'jsonrpc:unanswered' or 'weather:progress:*', which checks run, as in "
        "'progress:*' or '-progress:*', the protocol era of its links (handshake, modern or both), what its routes may have and "
        "spend, what its peers may be shown, and what is done to messages on purpose, by link, as in {'weather': 'drop to-client tools/call'}"
    )


def test_fixtures_are_listed_with_one_sentence_each(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(TEST).run_here(pytester, "--fixtures")
    run.says(
        "Open boards: `with`, or `async with`, `switchboard(name=server, ...) as board`.",
        "Compare a closed board with its transcript on disk: `assert board == wire_snapshot`.",
    )
    assert "_mcp_era" not in run.text


def test_options_of_other_plugins_may_have_names_like_ours(example: MakeExample, pytester: pytest.Pytester) -> None:
    conftest = """
def pytest_addoption(parser):
    for name in ("--mcp-timeout", "--mcp-record-mode", "--mcp-target", "--era", "--trace-mcp"):
        parser.addoption(name)
    parser.addoption("--other-era", dest="mcp_era")
    parser.addoption("--other-trace", dest="mcp_trace")
"""
    run = example({"conftest.py": conftest, "test_it.py": TEST}).run_here(pytester, "--other-era=x", "--mcp-timeout=1")
    assert run.outcomes == {"passed": 1}


def test_the_plugin_can_be_switched_off(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example("def test_it(): pass\n").run_here(pytester, "-p", "no:mcpsym")
    assert run.outcomes == {"passed": 1}
    assert "mcpsym-" not in run.text


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("drop", "'drop': use a dict of link names to faults, as in {'weather': 'drop to-client tools/call'}"),
        ({"a": "dorp"}, "there is no fault 'dorp'; did you mean 'drop'?; there are delay"),
        ({"a": ["drop", "split pieces=1"]}, "pieces='1' of the fault 'split': use 2 or more (how many)"),
    ],
)
def test_wrong_faults_of_a_marker_are_one_line(given: object, says: str) -> None:
    assert options.check_marker(pytest.mark.mcp(faults=given).mark).startswith(f"@pytest.mark.mcp(faults=...): {says}")

"""What users set: command line, ini and marker, each with its values, its validation and its precedence (ini < marker < command line).

Every wrong value is one line that says what to write. Pinned by `tests/plugin/test_options.py` and `tests/plugin/test_era.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Protocol, cast

import pytest

if TYPE_CHECKING:
    from pytest_mcpsym.checks import Budget, Registry
    from pytest_mcpsym.faults.fault import Fault
    from pytest_mcpsym.wire.drift import Ignored

__all__ = [
    "add_options",
    "check_ini",
    "check_marker",
    "check_pattern",
    "check_selection",
    "checks_of",
    "era_of",
    "expected_by_ini",
    "fail_on",
    "faults_of",
    "ignored_by_verify",
    "limit",
    "mode",
    "redaction",
    "seconds",
    "server",
    "trace",
]

ERAS: Final = ("handshake", "modern", "both")
TRACES: Final = ("off", "on", "retain-on-failure")
FAIL_ON: Final = ("error", "warning", "never")
MODES: Final = ("replay", "record", "rerecord", "verify", "live")
TIMEOUTS: Final = ("mcp_open_timeout", "mcp_call_timeout")
MARKER: Final = (
    "mcp(expect=[...], checks=[...], era=..., max_hops=..., max_calls=..., max_tokens=..., max_cost_usd=..., max_context_tokens=..., "
    "max_listed_tools=..., max_depth=..., max_fan_out=..., max_inlined_bytes=..., faults={...}): findings "
    "that this test expects, as patterns such as 'jsonrpc:unanswered' or 'weather:progress:*', which checks run, as in 'progress:*' or "
    "'-progress:*', the protocol era of its links (handshake, modern or both), what its routes may have and spend, what its "
    "peers may be shown, and what is done to messages on purpose, by link, as in {'weather': 'drop to-client tools/call'}"
)
COUNTED: Final = ("max_hops", "max_calls")
SPENT: Final = ("max_tokens", "max_cost_usd")
BUDGETED: Final = {
    "max_context_tokens": "tokens that may enter the context of one peer",
    "max_listed_tools": "tools that one peer may be shown at once",
    "max_depth": "hops of a route from its first caller to its last callee, beyond which a test fails",
    "max_fan_out": "calls that one call may cause itself",
    "max_inlined_bytes": "bytes of base64 in a call where a resource link would do",
}
LIMITS: Final = (*COUNTED, *SPENT, *BUDGETED)
KEYWORDS: Final = ("expect", "checks", "era", *LIMITS, "faults")


_MODE_HELP: Final = {
    "replay": "Replay recorded links and refuse what was not recorded (the default).",
    "record": "Record the links that have no recording yet; the others are replayed.",
    "rerecord": "Record the links of the selected tests anew, and delete what became obsolete.",
    "verify": "Replay recorded links beside the real servers, and compare what these answer; nothing is written.",
    "live": "Use the real servers and record nothing.",
}


def add_options(parser: pytest.Parser) -> None:
    """Declare the command line options and ini settings."""
    group = parser.getgroup("mcpsym", "symmetric MCP (pytest-mcpsym)")
    group.addoption(
        "--mcp-era",
        dest="mcpsym_era",
        choices=ERAS,
        help="Protocol era of links that name none; `both` runs a test once per era. Default: ini mcp_era, else handshake.",
    )
    group.addoption(
        "--mcp-trace",
        dest="mcpsym_trace",
        choices=TRACES,
        help="When to write the transcript of a test's boards below mcp-traces/. Default: ini mcp_trace, else retain-on-failure.",
    )
    group.addoption(
        "--mcp-checks",
        dest="mcpsym_checks",
        action="append",
        metavar="PATTERNS",
        help="Which checks run, with commas between: --mcp-checks=jsonrpc:*,progress:after-result; --mcp-checks=-progress:* leaves some out. "
        "Default: ini mcp_checks, else all.",
    )
    parser.addini("mcp_checks", "checks that run, one pattern a line: FAMILY:RULE or -FAMILY:RULE, with *", "linelist")
    for mode_, text in _MODE_HELP.items():
        group.addoption(f"--mcp-{mode_}", dest="mcpsym_modes", action="append_const", const=mode_, help=text)
    group.addoption(
        "--mcp-record-in-ci",
        dest="mcpsym_record_in_ci",
        action="store_true",
        help="Allow recording where the environment variable CI is set.",
    )
    group.addoption(
        "--mcp-server",
        dest="mcpsym_server",
        metavar="COMMAND",
        help="The server that `pytest --pyargs pytest_mcpsym.conformance.symmetric` judges, started on stdio.",
    )
    parser.addini("mcp_mode", "what becomes of recorded(...) links: replay, record, rerecord, verify or live", default="replay")
    parser.addini(
        "mcp_verify_ignore",
        "what is no difference of a server that is verified, one a line: [LINK:] [WHAT] PATH, with *",
        "linelist",
    )
    parser.addini("mcp_redact_headers", "more HTTP headers that hold secrets", "args")
    parser.addini("mcp_redact_fields", "more names of JSON members and query parameters that hold secrets", "args")
    parser.addini("mcp_era", "protocol era of links that name none: handshake, modern or both", default="handshake")
    parser.addini("mcp_fail_on", "least severity of a finding that fails its test: error, warning or never", default="error")
    parser.addini("mcp_expect", "findings that fail no test, one pattern a line: [LINK:]FAMILY:RULE, with *", "linelist")
    parser.addini("mcp_trace", "when to write transcripts: off, on or retain-on-failure", default="retain-on-failure")
    parser.addini("mcp_open_timeout", "seconds that a server may take to start and to answer its first request", default="20")
    parser.addini("mcp_call_timeout", "seconds that an answer may take", default="60")
    parser.addini("mcp_max_hops", "hops that a route may have from its first caller to its last callee", default="32")
    parser.addini("mcp_max_calls", "calls that a route may have, all its branches together", default="1000")
    parser.addini("mcp_max_tokens", "tokens of models that a route may spend, or none for any number", default="none")
    parser.addini("mcp_max_cost_usd", "US dollars that a route may spend, or none for any number", default="none")
    for name, text in BUDGETED.items():
        parser.addini(f"mcp_{name}", f"{text}, or none for any number", default="none")


def check_ini(config: pytest.Config) -> None:
    """Refuse wrong ini values before anything runs.

    Raises:
        pytest.UsageError: It names the setting and its values.
    """
    for name, choices in (("mcp_era", ERAS), ("mcp_fail_on", FAIL_ON), ("mcp_trace", TRACES), ("mcp_mode", MODES)):
        value = str(config.getini(name))
        if value not in choices:
            raise pytest.UsageError(f"ini {name} = {value!r}: use {_or(choices)}")
    for name in TIMEOUTS:
        seconds(config, name)
    for name in COUNTED:
        limit(config, (), name)
    for name in (*SPENT, *BUDGETED):
        spending(config, (), name)
    ignored_by_verify(config)
    for pattern in expected_by_ini(config):
        wrong = check_pattern(pattern)
        if wrong:
            raise pytest.UsageError(f"ini mcp_expect: {wrong}")


def check_selection(config: pytest.Config) -> None:
    """Refuse, before anything runs, patterns of ini or command line that select no check.

    Raises:
        pytest.UsageError: It names the pattern and the nearest one.
    """
    chosen = (("ini mcp_checks", _checks_by_ini(config)), ("--mcp-checks", _checks_by_command_line(config)))
    if not any(patterns for _, patterns in chosen):
        return
    from pytest_mcpsym.checks import wrong_selection

    known = _known(cast("_Hooks", config.hook))
    for name, patterns in chosen:
        wrong = wrong_selection(known, patterns or ())
        if wrong:
            raise pytest.UsageError(f"{name}: {wrong}")


def checks_of(item: pytest.Item) -> Registry:
    """Return the checks that run over the boards of a test.

    Raises:
        pytest.UsageError: What the project calls a check is none, or its marker selects none.
    """
    from pytest_mcpsym.checks import limited, select, wrong_selection

    known = limited(_known(cast("_Hooks", item.ihook)), _budget(item))
    marked = next((marker.kwargs["checks"] for marker in item.iter_markers("mcp") if "checks" in marker.kwargs), ())
    wrong = wrong_selection(known, cast("Iterable[object]", marked))
    if wrong:
        raise pytest.UsageError(f"@pytest.mark.mcp(checks=...): {wrong}")
    patterns = _checks_by_command_line(item.config) or cast("Iterable[str]", marked) or _checks_by_ini(item.config)
    return select(known, patterns)


def _budget(item: pytest.Item) -> Budget:
    from pytest_mcpsym.checks import Budget

    found = (spending(item.config, item.iter_markers("mcp"), name) for name in BUDGETED)
    return Budget(*(None if value is None else int(value) for value in found))


class _Hooks(Protocol):
    """Hooks as pytest calls them: all implementations that are meant, each with what it returns."""

    def pytest_mcp_checks(self) -> list[object]: ...


def _known(hooks: _Hooks) -> Registry:
    """Return the checks of the package and of the project."""
    from pytest_mcpsym.checks import DEFAULT, gathered

    added: list[object] = []
    for some in hooks.pytest_mcp_checks():
        if not isinstance(some, Iterable):
            raise pytest.UsageError(f"pytest_mcp_checks returned {some!r}; return a list of checks")
        added += cast("Iterable[object]", some)
    try:
        return gathered(DEFAULT, added, "pytest_mcp_checks")
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(str(error)) from None


def _checks_by_command_line(config: pytest.Config) -> list[str]:
    given = cast("list[str] | None", config.getoption("mcpsym_checks")) or []
    return [pattern.strip() for each in given for pattern in each.split(",")]


def _checks_by_ini(config: pytest.Config) -> list[str]:
    return cast("list[str]", config.getini("mcp_checks"))


def check_mode(config: pytest.Config) -> None:
    """Refuse two modes at once, and recording under CI.

    Raises:
        pytest.UsageError: It names the flags, or the one that allows it.
    """
    given = list(dict.fromkeys(cast("list[str] | None", config.getoption("mcpsym_modes")) or []))
    if len(given) > 1:
        flags = " and ".join(f"--mcp-{each}" for each in given)
        raise pytest.UsageError(f"{flags} exclude each other; give one of them")
    chosen = mode(config)
    if chosen in ("record", "rerecord") and _under_ci() and not config.getoption("mcpsym_record_in_ci"):
        said = f"--mcp-{chosen}" if given else f"ini mcp_mode = {chosen}"
        raise pytest.UsageError(
            f"{said}: the environment variable CI is set, and a recording that was made there is reviewed by nobody; record on your own "
            "machine and commit the files, or add --mcp-record-in-ci"
        )


def _under_ci() -> bool:
    return os.environ.get("CI", "").strip().lower() not in ("", "0", "false", "no", "off")


def mode(config: pytest.Config) -> str:
    """Return what becomes of recorded links: `replay`, `record`, `rerecord`, `verify` or `live`."""
    given = cast("list[str] | None", config.getoption("mcpsym_modes")) or []
    return given[0] if given else str(config.getini("mcp_mode"))


def redaction(config: pytest.Config) -> tuple[frozenset[str], frozenset[str]]:
    """Return the headers and the fields that ini names as secret."""
    headers, fields = (frozenset(cast("list[str]", config.getini(f"mcp_redact_{each}"))) for each in ("headers", "fields"))
    return headers, fields


def seconds(config: pytest.Config, name: str) -> float:
    """Return an ini setting that is a number of seconds."""
    text = str(config.getini(name))
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise pytest.UsageError(f"ini {name} = {text!r}: use a number of seconds above 0")
    return value


def server(config: pytest.Config) -> str | None:
    """Return the command line of the server under judgement, `None` if none was given."""
    return cast("str | None", config.getoption("mcpsym_server"))


def limit(config: pytest.Config, markers: Iterable[pytest.Mark], name: str) -> int:
    """Return how many hops (`max_hops`) or calls (`max_calls`) a route may have.

    Args:
        config: Has ini.
        markers: The test's `mcp` markers, the closest first.
        name: Which limit.
    """
    for marker in markers:
        if name in marker.kwargs:
            return cast("int", marker.kwargs[name])
    text = str(config.getini(f"mcp_{name}"))
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise pytest.UsageError(f"ini mcp_{name} = {text!r}: use a whole number above 0")
    return int(text)


def spending(config: pytest.Config, markers: Iterable[pytest.Mark], name: str) -> float | None:
    """Return how much a route may spend or a peer may be shown; `None` is any number.

    Args:
        config: Has ini.
        markers: The test's `mcp` markers, the closest first.
        name: Which limit: of `max_cost_usd` in US dollars, of the others a whole number.
    """
    for marker in markers:
        if name in marker.kwargs:
            return cast("float | None", marker.kwargs[name])
    text = str(config.getini(f"mcp_{name}")).strip()
    value = None if text == "none" else _number(text)
    wrong = _wrong_spending(name, value)
    if wrong:
        raise pytest.UsageError(f"ini mcp_{name} = {text!r}: use {wrong}, or none")
    return value


def _number(text: str) -> float:
    try:
        return int(text) if text.isascii() and text.isdigit() else float(text)
    except ValueError:
        return 0


def _wrong_spending(name: str, value: object) -> str:
    """Return what a limit that may be `None` must be, nothing if it is that."""
    whole = name != "max_cost_usd"
    right = value is None or (type(value) in ((int,) if whole else (int, float)) and 0 < cast("float", value) < float("inf"))
    return "" if right else f"a {'whole ' if whole else ''}number above 0"


def expected_by_ini(config: pytest.Config) -> list[str]:
    """Return the patterns of ini `mcp_expect`."""
    return cast("list[str]", config.getini("mcp_expect"))


def ignored_by_verify(config: pytest.Config) -> list[Ignored]:
    """Return what ini `mcp_verify_ignore` says.

    Raises:
        pytest.UsageError: A line says nothing.
    """
    lines = cast("list[str]", config.getini("mcp_verify_ignore"))
    if not lines:
        return []
    from pytest_mcpsym.wire.drift import Ignored

    try:
        return [Ignored.of(line) for line in lines]
    except ValueError as error:
        raise pytest.UsageError(f"ini mcp_verify_ignore: {error}") from None


def fail_on(config: pytest.Config) -> str:
    """Return the least severity that fails a test: `error`, `warning` or `never`."""
    return str(config.getini("mcp_fail_on"))


def trace(config: pytest.Config) -> str:
    """Return when transcripts are written: `off`, `on` or `retain-on-failure`."""
    return cast("str | None", config.getoption("mcpsym_trace")) or str(config.getini("mcp_trace"))


def era_of(config: pytest.Config, markers: Iterable[pytest.Mark]) -> str:
    """Return the era of a test: `handshake`, `modern` or `both`.

    Args:
        config: Has the command line and ini.
        markers: The test's `mcp` markers, the closest first.
    """
    chosen = cast("str | None", config.getoption("mcpsym_era"))
    if chosen is not None:
        return chosen
    return next((str(marker.kwargs["era"]) for marker in markers if "era" in marker.kwargs), str(config.getini("mcp_era")))


def check_pattern(pattern: object) -> str:
    """Return what is wrong with a pattern for findings, nothing if it is one."""
    from pytest_mcpsym.checks import wrong_pattern

    return wrong_pattern(pattern)


def check_marker(marker: pytest.Mark) -> str:
    """Return what is wrong with an `mcp` marker, nothing if it is right."""
    valid = f"(valid: {', '.join(KEYWORDS)})"
    if marker.args:
        return f"@pytest.mark.mcp takes keywords only, not {marker.args[0]!r} {valid}"
    for keyword in marker.kwargs:
        if keyword not in KEYWORDS:
            import difflib

            near = difflib.get_close_matches(keyword, KEYWORDS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            return f"@pytest.mark.mcp has no keyword {keyword!r}{hint} {valid}"
    if marker.kwargs.get("era", "both") not in ERAS:
        return f"@pytest.mark.mcp(era={marker.kwargs['era']!r}): use {_or(ERAS)}"
    for name in COUNTED:
        value = cast("object", marker.kwargs.get(name, 1))
        if type(value) is not int or value < 1:
            return f"@pytest.mark.mcp({name}={value!r}): use a whole number above 0"
    for name in (*SPENT, *BUDGETED):
        value = cast("object", marker.kwargs.get(name))
        wrong = _wrong_spending(name, value)
        if wrong:
            return f"@pytest.mark.mcp({name}={value!r}): use {wrong}, or None"
    wrong = _wrong_faults(cast("object", marker.kwargs.get("faults", {})))
    if wrong:
        return f"@pytest.mark.mcp(faults=...): {wrong}"
    checks = cast("object", marker.kwargs.get("checks", []))
    if not isinstance(checks, (list, tuple)):
        return f"@pytest.mark.mcp(checks={checks!r}): use a list of patterns, as in checks=['progress:*'] or checks=['-progress:*']"
    expected = cast("object", marker.kwargs.get("expect", []))
    if not isinstance(expected, (list, tuple)):
        return f"@pytest.mark.mcp(expect={expected!r}): use a list of patterns, as in expect=['jsonrpc:unanswered']"
    wrong = next((wrong for wrong in map(check_pattern, cast("list[object]", expected)) if wrong), "")
    return f"@pytest.mark.mcp(expect=...): {wrong}" if wrong else ""


def _wrong_faults(given: object) -> str:
    """Return what is wrong with the faults of a marker, nothing if they are right."""
    if not isinstance(given, dict):
        return f"{given!r}: use a dict of link names to faults, as in {{'weather': 'drop to-client tools/call'}}"
    if given:
        from pytest_mcpsym.errors import UsageError

        try:
            _described(cast("Mapping[str, object]", given))
        except UsageError as error:
            return str(error)
    return ""


def _described(given: Mapping[str, object]) -> dict[str, tuple[Fault, ...]]:
    from pytest_mcpsym.faults.fault import described

    return {link: described(cast("Iterable[str]", faults)) for link, faults in given.items()}


def faults_of(markers: Iterable[pytest.Mark]) -> dict[str, tuple[Fault, ...]]:
    """Return what a test's closest marker does to messages on purpose, by link."""
    for marker in markers:
        if "faults" in marker.kwargs:
            return _described(cast("Mapping[str, object]", marker.kwargs["faults"]))
    return {}


def _or(choices: tuple[str, ...]) -> str:
    return ", ".join(choices[:-1]) + f" or {choices[-1]}"

"""The pytest plugin: hooks and fixtures only. It imports nothing heavy; a run that uses no fixture of ours never imports `mcp`.

Pinned by `tests/plugin/`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol, cast

import pytest

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from pytest_mcpsym.checks import Finding
    from pytest_mcpsym.report.findings import FailOn, Verdict
    from pytest_mcpsym.switchboard.opener import Opener
    from pytest_mcpsym.switchboard.settings import Settings
    from pytest_mcpsym.switchboard.target import Era
    from pytest_mcpsym.switchboard.views import Views

__all__ = ["Switchboard", "stem_of"]

ERAS: Final = ("handshake", "modern", "both")
TRACES: Final = ("off", "on", "retain-on-failure")
FAIL_ON: Final = ("error", "warning", "never")
MARKER_KEYWORDS: Final = ("era", "expect")
LOOP_PARAMETERS: Final = ("anyio_backend", "event_loop_policy", "asyncio_loop_factory")
"""Fixtures whose parameters choose an event loop: they are no part of a file's name."""


class Switchboard(Protocol):
    """The type of the `switchboard` fixture."""

    def __call__(self, *, era: Era | Mapping[str, Era] | None = None, **links: object) -> Opener:
        """Describe a board: link names and what each link is made from. Open it with `with` or `async with`."""
        ...


@dataclass
class _State:
    """What this plugin knows of one test."""

    boards: list[Views] = field(default_factory=list["Views"])
    judged: list[Finding] = field(default_factory=list["Finding"])
    warned: list[str] = field(default_factory=list[str])
    met_ini: set[str] = field(default_factory=set[str])
    failed: bool = False


@dataclass
class _Run:
    """What this plugin knows of the whole run, from the reports, so that it is the same under xdist."""

    boards: int = 0
    warned: list[str] = field(default_factory=list[str])
    met_ini: set[str] = field(default_factory=set[str])


_STATE = pytest.StashKey[_State]()
_NAMES = pytest.StashKey["dict[Path, set[str]]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mcpsym", "symmetric MCP (pytest-mcpsym)")
    group.addoption(
        "--mcp-era",
        dest="mcpsym_era",
        choices=ERAS,
        help="protocol era of links that name none; `both` runs each test once per era (default: ini mcp_era, else handshake)",
    )
    group.addoption(
        "--mcp-trace",
        dest="mcpsym_trace",
        choices=TRACES,
        help="write the transcript of a test's boards to mcp-traces/ (default: ini mcp_trace, else retain-on-failure)",
    )
    parser.addini("mcp_era", "protocol era of links that name none: handshake, modern or both", default="handshake")
    parser.addini("mcp_fail_on", "least severity of a finding that fails its test: error, warning or never", default="error")
    parser.addini("mcp_expect", "findings that fail no test, a pattern a line: [LINK:]FAMILY:RULE with *", "linelist")
    parser.addini("mcp_trace", "when to write transcripts: off, on or retain-on-failure", default="retain-on-failure")
    parser.addini("mcp_open_timeout", "seconds that a server may take to start and answer its first request", default="20")
    parser.addini("mcp_call_timeout", "seconds that an answer may take", default="60")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "mcp(expect=[...], era=...): findings that this test expects (patterns such as 'jsonrpc:unanswered' or 'weather:progress:*'), "
        "and its protocol era: handshake, modern or both",
    )
    _choice(config, "mcp_era", ERAS)
    _choice(config, "mcp_fail_on", FAIL_ON)
    _choice(config, "mcp_trace", TRACES)
    for name in ("mcp_open_timeout", "mcp_call_timeout"):
        _seconds(config, name)
    for pattern in cast("list[str]", config.getini("mcp_expect")):
        _check_pattern(pattern, "ini mcp_expect")
    config.stash[_NAMES] = {}


def _choice(config: pytest.Config, name: str, choices: tuple[str, ...]) -> str:
    value = str(config.getini(name))
    if value not in choices:
        raise pytest.UsageError(f"ini {name} = {value!r}: use {_one_of(choices)}")
    return value


def _seconds(config: pytest.Config, name: str) -> float:
    text = str(config.getini(name))
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise pytest.UsageError(f"ini {name} = {text!r}: use a number of seconds above 0")
    return value


def _check_pattern(pattern: object, where: str) -> None:
    if not isinstance(pattern, str) or ":" not in pattern.replace("*", ":", 1):
        raise pytest.UsageError(f"{where}: {pattern!r} is no pattern for findings; they look like 'jsonrpc:unanswered' or 'link:progress:*'")


def _one_of(choices: tuple[str, ...]) -> str:
    return ", ".join(choices[:-1]) + f" or {choices[-1]}"


# Era: ini < marker < command line. `both` parametrises the test; one era adds no test id.


def _era_of(node: pytest.Item | None, config: pytest.Config, markers: list[pytest.Mark]) -> str:
    option = cast("str | None", config.getoption("mcpsym_era"))
    if option is not None:
        return option
    for marker in markers:
        if "era" in marker.kwargs:
            return str(marker.kwargs["era"])
    return str(config.getini("mcp_era"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "_mcp_era" in metafunc.fixturenames:
        markers = list(metafunc.definition.iter_markers("mcp"))
        if _era_of(None, metafunc.config, markers) == "both":
            metafunc.parametrize("_mcp_era", ["handshake", "modern"], indirect=True)


@pytest.fixture
def _mcp_era(request: pytest.FixtureRequest) -> str:
    """The era of this test's boards."""
    node = cast("pytest.Item", request.node)
    era = cast("str", getattr(request, "param", None)) or _era_of(node, request.config, list(node.iter_markers("mcp")))
    if era == "both":
        pytest.fail(
            "era 'both' needs a parametrised test: name the `switchboard` fixture as an argument (unittest methods and "
            "request.getfixturevalue cannot be parametrised)",
            pytrace=False,
        )
    return era


@pytest.fixture
def switchboard(request: pytest.FixtureRequest, _mcp_era: Era) -> Switchboard:
    """Open boards: `with switchboard(name=server, ...) as board`, or `async with`.

    Each keyword is a link's name; its value anything that can be a server. After the test every check runs over every board.
    """
    from pytest_mcpsym.switchboard.opener import Opener
    from pytest_mcpsym.switchboard.settings import Settings

    config = request.config
    node = cast("pytest.Item", request.node)
    settings: Settings = Settings(
        era=_mcp_era,
        open_timeout=_seconds(config, "mcp_open_timeout"),
        call_timeout=_seconds(config, "mcp_call_timeout"),
        test=node.nodeid,
        fail_on_findings=False,
    )

    def describe(*, era: Era | Mapping[str, Era] | None = None, **links: object) -> Opener:
        return Opener(links, era, settings, node.stash[_STATE].boards.append)

    return describe


@pytest.fixture
def wire_snapshot(request: pytest.FixtureRequest) -> SnapshotAssertion:
    """Compare a closed board with its transcript on disk: `assert board == wire_snapshot`. Update with --snapshot-update."""
    if not request.config.pluginmanager.hasplugin("syrupy"):
        pytest.fail("wire_snapshot needs the syrupy plugin, which is switched off in this run (-p no:syrupy)", pytrace=False)
    from pytest_mcpsym.snapshot import WireSnapshotExtension

    snapshot = cast("SnapshotAssertion", request.getfixturevalue("snapshot"))
    return snapshot.use_extension(WireSnapshotExtension)


# Names of files.


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str) -> Generator[None, object, object]:
    """Note every test of a module, selected or not, so that a file's name does not depend on the selection."""
    made = yield
    names = collector.config.stash[_NAMES].setdefault(collector.path, set())
    for item in cast("list[object]", made) if isinstance(made, list) else [made]:
        if isinstance(item, pytest.Function):
            names.add(_name_of(item))
    return cast("object", made)


def stem_of(item: pytest.Item) -> str:
    """Return the name, without extension, of the files that belong to a test."""
    from pytest_mcpsym.naming import file_stem

    name = _name_of(item)
    others = item.config.stash[_NAMES].get(item.path, set())
    return file_stem(name, f"{item.nodeid.partition('::')[0]}::{name}", others=others)


def _name_of(item: pytest.Item) -> str:
    """`Class.test[params]`, without parameters that only choose an event loop."""
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return ".".join([*classes, item.name])
    ids = [str(part) for part in cast("list[object]", callspec._idlist)]
    for parameter in LOOP_PARAMETERS:
        if parameter in callspec.params:
            value = cast("object", callspec.params[parameter])
            chosen = str(cast("tuple[object, ...]", value)[0] if isinstance(value, tuple) else value)
            if chosen in ids:
                ids.remove(chosen)
    base = cast("pytest.Function", item).originalname
    return ".".join([*classes, f"{base}[{'-'.join(ids)}]" if ids else base])


# Findings: every check over every board, after the body and again after the fixtures.


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_STATE] = _State()
    for marker in item.iter_markers("mcp"):
        _check_marker(marker)


def _check_marker(marker: pytest.Mark) -> None:
    import difflib

    for keyword in marker.kwargs:
        if keyword not in MARKER_KEYWORDS:
            near = difflib.get_close_matches(keyword, MARKER_KEYWORDS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            pytest.fail(f"@pytest.mark.mcp has no keyword {keyword!r}{hint} (valid: {', '.join(MARKER_KEYWORDS)})", pytrace=False)
    if marker.args:
        pytest.fail(f"@pytest.mark.mcp takes keywords only (valid: {', '.join(MARKER_KEYWORDS)})", pytrace=False)
    if marker.kwargs.get("era", "both") not in ERAS:
        pytest.fail(f"@pytest.mark.mcp(era={marker.kwargs['era']!r}): use {_one_of(ERAS)}", pytrace=False)
    expected = marker.kwargs.get("expect", [])
    if not isinstance(expected, (list, tuple)):
        pytest.fail(f"@pytest.mark.mcp(expect={expected!r}): use a list of patterns, as in expect=['jsonrpc:unanswered']", pytrace=False)
    for pattern in cast("list[object]", expected):
        try:
            _check_pattern(pattern, "@pytest.mark.mcp(expect=...)")
        except pytest.UsageError as error:
            pytest.fail(str(error), pytrace=False)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    outcome = yield
    state = item.stash[_STATE]
    if state.boards:
        _raise_if_failed(_judge(item, state, final=all(board.closed for board in state.boards)))
    return outcome


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    outcome = yield
    state = item.stash.get(_STATE, None)
    if state is not None and state.boards and not state.failed:
        _raise_if_failed(_judge(item, state, final=True))
    return outcome


def _judge(item: pytest.Item, state: _State, *, final: bool) -> Verdict:
    from pytest_mcpsym.report.findings import judge

    expected = [pattern for marker in item.iter_markers("mcp") for pattern in marker.kwargs.get("expect", [])]
    verdict = judge(
        state.boards,
        expected=expected,
        ini=cast("list[str]", item.config.getini("mcp_expect")),
        fail_on=cast("FailOn", item.config.getini("mcp_fail_on")),
        final=final,
        known=state.judged,
    )
    state.judged += verdict.judged
    state.warned += [f"{item.nodeid}: {finding.check} on link {finding.link!r}: {finding.message}" for finding in verdict.warned]
    state.met_ini |= verdict.met_ini
    return verdict


def _raise_if_failed(verdict: Verdict) -> None:
    if verdict.failed:
        from pytest_mcpsym.errors import FindingsError

        raise FindingsError(verdict.text)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    error = call.excinfo.value if call.excinfo is not None else None
    if call.excinfo is not None:
        call.excinfo = _without_our_frames(call.excinfo)
    report = yield
    state = item.stash.get(_STATE, None)
    if state is None:
        return report
    if error is not None and report.when == "setup" and _is_scope_mismatch(error):
        report.sections.append(("mcp", _SCOPE_REFUSAL))
    if state.boards:
        _report(item, state, report, error)
    return report


def _without_our_frames(excinfo: pytest.ExceptionInfo[BaseException]) -> pytest.ExceptionInfo[BaseException]:
    """End the traceback of an error of ours at the user's own line: where in the harness it was raised is no news to them."""
    import sys
    from itertools import takewhile
    from types import TracebackType

    errors = sys.modules.get("pytest_mcpsym.errors")
    if errors is None or not isinstance(excinfo.value, errors.McpsymError):
        return excinfo
    kept = list(takewhile(lambda entry: _OURS not in (path := Path(entry.path)).parents or path == _PLUGIN, excinfo.traceback))
    chain: TracebackType | None = None
    for entry in reversed(kept):
        raw = entry._rawentry
        chain = TracebackType(chain, raw.tb_frame, raw.tb_lasti, raw.tb_lineno)
    error = excinfo.value.with_traceback(chain)
    error.__cause__ = None
    error.__suppress_context__ = True
    return pytest.ExceptionInfo.from_exception(error)


_PLUGIN: Final = Path(__file__)
_OURS: Final = _PLUGIN.parent

_SCOPE_REFUSAL = (
    "`switchboard` belongs to one test: its findings, snapshot and recording are judged and written per test, which a board shared by "
    "a module or session would mix up. Give the fixture that opens the board function scope."
)


def _is_scope_mismatch(error: BaseException) -> bool:
    return "ScopeMismatch" in str(error) and "switchboard" in str(error)


def _report(item: pytest.Item, state: _State, report: pytest.TestReport, error: BaseException | None) -> None:
    """Add to a report what its boards show: on failure the routes and findings, at the end what the run's summary needs."""
    from pytest_mcpsym.errors import FindingsError

    state.failed = state.failed or error is not None
    if isinstance(error, FindingsError):
        report.longrepr = str(error)
    elif error is not None:
        findings = _judge(item, state, final=False)
        if findings.failing:
            report.sections.append(("mcp findings", findings.text))
    if report.failed and report.when != "teardown":
        report.sections.append(("mcp routes", "\n".join(_routes(state))))
    trace = _trace(item, state, failed=report.failed) if report.when == "call" or report.failed else None
    if trace is not None:
        report.sections.append(("mcp trace", str(trace)))
        report.user_properties.append(("mcp_trace", str(trace)))
    if report.when == "teardown":
        report.__dict__["mcpsym"] = {"boards": len(state.boards), "warned": state.warned, "met_ini": sorted(state.met_ini)}


def _routes(state: _State) -> Iterator[str]:
    from pytest_mcpsym.report.findings import route_lines

    for board in state.boards:
        yield from route_lines(board)


def _trace(item: pytest.Item, state: _State, *, failed: bool) -> Path | None:
    """Write the transcripts of a test's boards, if they are asked for, and return where."""
    option = cast("Literal['off', 'on', 'retain-on-failure'] | None", item.config.getoption("mcpsym_trace"))
    when = option or str(item.config.getini("mcp_trace"))
    if when == "off" or (when == "retain-on-failure" and not failed):
        return None
    path = item.config.rootpath / "mcp-traces" / item.path.stem / f"{stem_of(item)}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(board.transcript(normalised=False) for board in state.boards)
    path.write_text(text, encoding="utf-8")
    return path


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    import sys

    route = sys.modules.get("pytest_mcpsym.wire.route")
    if route is None or op != "==":
        return None
    explain = cast("Callable[[object, object], list[str] | None]", route.explain)
    for got, expected in ((left, right), (right, left)):
        if isinstance(got, route.Routes) and isinstance(expected, (str, list, tuple)):
            return explain(cast("object", expected), got)
    return None


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    config = terminalreporter.config
    run = _Run()
    for reports in terminalreporter.stats.values():
        for report in cast("list[object]", reports):
            told = cast("dict[str, object] | None", getattr(report, "mcpsym", None))
            if told is not None:
                run.boards += cast("int", told["boards"])
                run.warned += cast("list[str]", told["warned"])
                run.met_ini.update(cast("list[str]", told["met_ini"]))
    if not run.boards:
        return
    unmet = [pattern for pattern in cast("list[str]", config.getini("mcp_expect")) if pattern not in run.met_ini]
    lines = [f"warning: {text}" for text in run.warned]
    lines += [f"warning: ini mcp_expect names {pattern!r}, and no board of this run met it" for pattern in unmet]
    if lines:
        terminalreporter.section("mcp findings")
        for line in lines:
            terminalreporter.line(line)

"""The pytest plugin: hooks and fixtures only. It imports nothing heavy; a run that uses no fixture of ours never imports `mcp`.

Pinned by `tests/plugin/`.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Final, Protocol, cast

import pytest

from pytest_mcpsym import hookspecs, options
from pytest_mcpsym.items import NAMES, STATE, ItemState, name_of, recording_stem, test_id
from pytest_mcpsym.report import run

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from pytest_mcpsym.replay.tapes import Mode, Recorded, Tapes
    from pytest_mcpsym.switchboard.opener import Opener
    from pytest_mcpsym.switchboard.target import Era
    from pytest_mcpsym.wire.redact import Rules

__all__ = ["RecordedFixture", "Switchboard"]


class Switchboard(Protocol):
    """The type of the `switchboard` fixture."""

    def __call__(self, *, era: Era | Mapping[str, Era] | None = None, **links: object) -> Opener:
        """Describe a board: link names and what each link is made from. Open it with `with` or `async with`."""
        ...


class RecordedFixture(Protocol):
    """The type of the `recorded` fixture."""

    def __call__(self, target: object, /, *, name: str | None = None, **options: object) -> Recorded:
        """Describe a link that is recorded once and replayed afterwards.

        Args:
            target: What `switchboard(name=...)` takes.
            name: Name in the file's name; default the link's.
            options: What `link(target, ...)` takes.
        """
        ...


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", options.MARKER)
    options.check_ini(config)
    options.check_selection(config)
    options.check_mode(config)
    config.stash[NAMES] = {}
    run.begin(config)
    config.pluginmanager.register(_Run(config), "mcpsym-run")


# --- fixtures


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "_mcp_era" in metafunc.fixturenames and _era(metafunc.config, metafunc.definition) == "both":
        metafunc.parametrize("_mcp_era", ["handshake", "modern"], indirect=True)


@pytest.fixture
def _mcp_era(request: pytest.FixtureRequest) -> str:
    """The era of this test's boards: parametrised where both were asked for, so that one era adds no test id."""
    chosen = cast("str | None", getattr(request, "param", None))
    era = chosen or _era(request.config, cast("pytest.Item", request.node))
    if era == "both":
        pytest.fail(
            "era 'both' needs a parametrised test: name the `switchboard` fixture as an argument (unittest methods and "
            "request.getfixturevalue cannot be parametrised)",
            pytrace=False,
        )
    return era


def _era(config: pytest.Config, node: pytest.Item | pytest.Collector) -> str:
    return options.era_of(config, node.iter_markers("mcp"))


@pytest.fixture(scope="session")
def mcp_redact() -> Rules | None:
    """What is secret beyond ini and the links' own credentials: override it with a `pytest_mcpsym.Rules`."""
    return None


@pytest.fixture(scope="session")
def recorded() -> RecordedFixture:
    """Describe a link that `--mcp-record` records and every other run replays: `switchboard(weather=recorded("npx weather-mcp"))`."""

    def describe(target: object, /, *, name: str | None = None, **link_options: object) -> Recorded:
        from pytest_mcpsym.replay.tapes import recorded as make

        return make(target, name=name, **link_options)

    return describe


@pytest.fixture
def mcp_verify_state() -> None:
    """Bring the real servers into the state in which they were recorded: override it; `--mcp-verify` uses it before boards open."""


@pytest.fixture
def switchboard(request: pytest.FixtureRequest, _mcp_era: Era, mcp_redact: Rules | None) -> Switchboard:
    """Open boards: `with`, or `async with`, `switchboard(name=server, ...) as board`.

    Each keyword is a link's name; its value anything that can be a server. After the test every check runs over every board.
    """
    from pytest_mcpsym.switchboard.opener import Opener
    from pytest_mcpsym.switchboard.settings import Settings
    from pytest_mcpsym.switchboard.trail import Limits

    node = cast("pytest.Item", request.node)
    hops, calls = (options.limit(request.config, node.iter_markers("mcp"), name) for name in options.COUNTED)
    tokens, cost = (options.spending(request.config, node.iter_markers("mcp"), name) for name in options.SPENT)
    try:
        checks = options.checks_of(node)
    except pytest.UsageError as error:
        pytest.fail(str(error), pytrace=False)
    if options.mode(request.config) == "verify":
        request.getfixturevalue("mcp_verify_state")
    state = node.stash[STATE]
    state.tapes = _tapes(node)
    settings = Settings(
        era=_mcp_era,
        open_timeout=options.seconds(request.config, "mcp_open_timeout"),
        call_timeout=options.seconds(request.config, "mcp_call_timeout"),
        limits=Limits(hops, calls, None if tokens is None else int(tokens), cost),
        checks=checks,
        test=node.nodeid,
        fail_on_findings=False,
        rules=_rules(request.config, mcp_redact),
        tapes=state.tapes,
        faults=options.faults_of(node.iter_markers("mcp")),
    )

    def describe(*, era: Era | Mapping[str, Era] | None = None, **links: object) -> Opener:
        return Opener(links, era, settings, state.boards.append)

    return describe


def _tapes(item: pytest.Item) -> Tapes:
    from pytest_mcpsym.replay.tapes import Tapes

    return Tapes(
        cast("Mode", options.mode(item.config)),
        item.path.parent / "recordings" / item.path.stem,
        lambda link: recording_stem(item, link),
        test=test_id(item),
        root=item.config.rootpath,
        again=f"pytest --mcp-rerecord -k {getattr(item, 'originalname', None) or item.name.partition('[')[0]}",
        ignored=options.ignored_by_verify(item.config),
    )


def _rules(config: pytest.Config, own: Rules | None) -> Rules:
    from pytest_mcpsym.wire.redact import Rules

    headers, fields = options.redaction(config)
    own = own or Rules()
    return Rules(own.headers | headers, own.fields | fields, own.secrets)


@pytest.fixture
def wire_snapshot(request: pytest.FixtureRequest) -> SnapshotAssertion:
    """Compare a closed board with its transcript on disk: `assert board == wire_snapshot`. Update with --snapshot-update."""
    if not request.config.pluginmanager.hasplugin("syrupy"):
        pytest.fail("wire_snapshot needs the syrupy plugin, which is switched off in this run (-p no:syrupy)", pytrace=False)
    from pytest_mcpsym.snapshot import WireSnapshotExtension

    snapshot = cast("SnapshotAssertion", request.getfixturevalue("snapshot"))
    return snapshot.use_extension(WireSnapshotExtension)


# --- one test


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    for item in report.result or ():
        if isinstance(item, pytest.Item):
            collector.config.stash[NAMES].setdefault(item.path, set()).add(name_of(item))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[STATE] = ItemState()
    for marker in item.iter_markers("mcp"):
        wrong = options.check_marker(marker)
        if wrong:
            pytest.fail(wrong, pytrace=False)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    state = item.stash[STATE]
    try:
        outcome = yield
    except KeyboardInterrupt:  # There is no report of an interrupted test.
        if state.boards:
            from pytest_mcpsym.report.outcome import waiting_lines

            item.config.stash[_INTERRUPTED] = waiting_lines(state)
        raise
    if state.boards or _expects_in_vain(item):
        from pytest_mcpsym.report.outcome import after_body

        after_body(item, state)
    return outcome


_INTERRUPTED: Final = pytest.StashKey[list[str]]()
"""Who waited for whom when the user interrupted a test."""


def _expects_in_vain(item: pytest.Item) -> bool:
    """Whether a test that could have opened a board expects findings and opened none."""
    if "switchboard" not in getattr(item, "fixturenames", ()):
        return False
    return any(marker.kwargs.get("expect") for marker in item.iter_markers("mcp"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    outcome = yield
    state = item.stash.get(STATE, None)
    if state is not None and state.boards:
        from pytest_mcpsym.report.outcome import after_fixtures

        after_fixtures(item, state)
    return outcome


_SCOPE_REFUSAL: Final = (
    "`switchboard` belongs to one test: its findings, snapshot and recording are judged and written per test, which a board shared by "
    "a class, module or session would mix up. Give the fixture that opens the board function scope."
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if call.excinfo is not None and not item.config.getoption("fulltrace"):
        from pytest_mcpsym.report.trimmed import trim

        error: BaseException = call.excinfo.value
        if trim(error):
            call.excinfo = pytest.ExceptionInfo[BaseException].from_exception(error)
    report = yield
    if call.excinfo is not None and report.when == "setup":
        text = str(call.excinfo.value)
        if "ScopeMismatch" in text and " fixture switchboard " in text:
            report.sections.append(("mcp", _SCOPE_REFUSAL))
    state = item.stash.get(STATE, None)
    if state is not None and (state.boards or _expects_in_vain(item) or _has_recordings(item)):
        from pytest_mcpsym.report.outcome import complete

        complete(item, state, report, call)
    return report


def _has_recordings(item: pytest.Item) -> bool:
    """Whether there are recordings of the item's module, of which it may be told that no test uses them."""
    return (item.path.parent / "recordings" / item.path.stem).is_dir()


# --- one run


class _Run:
    """Hooks that need the configuration and are not given it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        run.hear(self._config, report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        """Hear the last words of a worker of pytest-xdist."""
        told = cast("Mapping[str, object]", getattr(node, "workeroutput", {}))
        run.hear_worker(self._config, cast("Mapping[str, object] | None", told.get("mcpsym")))


def pytest_sessionfinish(session: pytest.Session) -> None:
    words = cast("dict[str, object] | None", getattr(session.config, "workeroutput", None))
    if words is None:
        run.finish(session)
    else:
        words["mcpsym"] = run.tell(session.config)


# --- assertions and the summary


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    route = sys.modules.get("pytest_mcpsym.wire.route")
    if route is None or op != "==" or not (isinstance(left, route.Routes) or isinstance(right, route.Routes)):
        return None
    from pytest_mcpsym.report.routes import explained

    return explained(left, right)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = (report for some in terminalreporter.stats.values() for report in cast("list[object]", some))
    told = [found for report in reports if (found := getattr(report, "mcpsym", None)) is not None]
    config = terminalreporter.config
    recordings = run.recording_lines(config, told, verbose=terminalreporter.verbosity > 0)
    waited = config.stash.get(_INTERRUPTED, list[str]())
    if not told and not recordings and not waited:
        return
    from pytest_mcpsym.report.summary import summary

    lines = [
        *(["interrupted; who waited for whom:", *waited] if waited else []),
        *recordings,
        *summary(told, options.expected_by_ini(config)),
    ]
    traced = sum(1 for each in told if each["traced"])
    if traced and options.trace(config) == "on":
        lines.append(f"transcripts of {traced} tests: {config.rootpath / 'mcp-traces'}")
    if lines:
        terminalreporter.section("mcp")
        for line in lines:
            terminalreporter.line(line)

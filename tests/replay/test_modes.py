"""What each flag does with a recorded link, and what a test sees whose recording does not answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.plugin.harness import SERVERS, Example, ini

MakeExample = Callable[..., Example]

TEST = """
import pytest
from pytest_mcpsym import link
from servers import echo

def test_it(switchboard, recorded):
    with switchboard(echo=recorded(link(echo(), transport="{transport}"))) as board:
        assert board.call("echo__say", message="{message}").content[0].text == "{message}"
"""
FILE = "recordings/test_it/test_it.echo.jsonl"


def _refused(path: str, mode: int) -> bool:
    return False


def text(message: str = "hello", transport: str = "memory") -> str:
    """Return a test that has its server say something."""
    return TEST.format(message=message, transport=transport)


@pytest.mark.parametrize("era", ["handshake", "modern"])
@pytest.mark.parametrize("transport", ["memory", "http"])
def test_what_was_recorded_replays_without_the_server(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, transport: str, era: str
) -> None:
    monkeypatch.delenv("CI", raising=False)
    told = text(transport=transport) + "    __import__('pathlib').Path('log.txt').write_text(board.transcript(), 'utf-8')\n"
    first = example(told).run_here(pytester, "--mcp-record", f"--mcp-era={era}", "-p", "no:cacheprovider")
    assert (first.outcomes, set(first.changed)) == ({"passed": 1}, {FILE, "log.txt"})
    broken = SERVERS.replace("return message", "raise RuntimeError(message)")
    second = first.example.with_files({"servers.py": broken})
    again = second.run_here(pytester, f"--mcp-era={era}", "-p", "no:cacheprovider")
    assert again.outcomes == {"passed": 1}
    assert (again.folder / "log.txt").read_text("utf-8") == first.changed["log.txt"]


def test_live_runs_use_the_server_and_record_nothing(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(text()).run_here(pytester, "--mcp-live", "-p", "no:cacheprovider")
    assert (run.outcomes, set(run.changed)) == ({"passed": 1}, set())


def test_recording_anew_replaces_what_was_recorded(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    first = example(text()).run_here(pytester, "--mcp-record", "-p", "no:cacheprovider")
    other = first.example.with_files({"test_it.py": text("other")})
    run = other.run_here(pytester, "--mcp-rerecord", "-p", "no:cacheprovider")
    run.says("recordings: 1 re-recorded")
    assert '"text":"other"' in str(run.changed[FILE])


def test_a_secret_is_replaced_before_a_file_is_written(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    secret = text("token=sk-live-abcdefghijklmnop1234")
    run = example(secret).run_here(pytester, "--mcp-record", "-p", "no:cacheprovider")
    assert "sk-live" not in str(run.changed[FILE])


def test_a_value_of_the_environment_that_is_left_is_refused(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("SHOP_TOKEN", "plainvalue")
    run = example(text("plainvalue")).run_here(pytester, "--mcp-record", "-p", "no:cacheprovider", "--mcp-trace=off")
    assert set(run.changed) == set()
    run.says("still holds the value of SHOP_TOKEN")


def test_a_truncated_recording_names_its_line(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    first = example(text()).run_here(pytester, "--mcp-record")
    cut = str(first.changed[FILE])[:-20]
    first.example.with_files({FILE: cut}).run_here(pytester).says(f"{FILE}:", "the file ends in the middle of this line")


def test_one_file_is_opened_once_in_a_test(example: MakeExample, pytester: pytest.Pytester) -> None:
    twice = text().replace("(echo=recorded(", '(a=recorded(echo(), name="x"), b=recorded(echo(), name="x"), echo=recorded(')
    run = example(twice).run_here(pytester, "--mcp-record-in-ci", "--mcp-record")
    run.says("this test opened recordings/test_it/test_it.x.jsonl before")


def test_a_miss_is_the_headline_and_names_line_and_difference(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    first = example(text()).run_here(pytester, "--mcp-record")
    run = first.example.with_files({"test_it.py": text("other")}).run_here(pytester)
    assert run.outcomes == {"failed": 1}
    run.says("mcp replay miss in test_it · host → echo", FILE, 'recorded "hello"', 'sent "other"', "--mcp-rerecord -k test_it")


def test_what_nobody_asked_fails_the_test(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    first = example(text()).run_here(pytester, "--mcp-record")
    silent = text().replace('assert board.call("echo__say", message="hello").content[0].text == "hello"', "pass")
    run = first.example.with_files({"test_it.py": silent}).run_here(pytester)
    assert run.outcomes == {"failed": 1}
    run.says("mcp unplayed in test_it · echo: 1 recorded exchange was not asked for", "tools/call say")


def test_a_failing_test_leaves_its_recording_beside_the_old_one(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    run = example(text() + "    assert 0\n").run_here(pytester, "--mcp-record", "-p", "no:cacheprovider", "--mcp-trace=off")
    assert set(run.changed) == {f"{FILE}.new"}
    run.says("left as .new")


def test_a_link_without_recording_says_how_to_record_it(example: MakeExample, pytester: pytest.Pytester) -> None:
    example(text()).run_here(pytester).says(
        f"link 'echo': there is no recording {FILE}; record it with: pytest --mcp-record -k test_it"
    )


def test_two_flags_are_a_usage_error(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(text()).run_here(pytester, "--mcp-record", "--mcp-live")
    assert run.status == pytest.ExitCode.USAGE_ERROR
    run.says("--mcp-record and --mcp-live exclude each other")


def test_recording_under_ci_is_a_usage_error(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "1")
    run = example(text()).run_here(pytester, "--mcp-record")
    assert run.status == pytest.ExitCode.USAGE_ERROR
    run.says("--mcp-record-in-ci")


def test_a_recording_of_another_era_is_refused(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    first = example(text()).run_here(pytester, "--mcp-record")
    first.example.run_here(pytester, "--mcp-era=modern").says("recorded in the handshake era", "opened in the modern era")


def test_a_miss_fails_the_test_that_swallowed_it(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    swallows = """
import contextlib
from mcp import MCPError
from servers import echo

def test_it(switchboard, recorded):
    with switchboard(echo=recorded(echo())) as board:
        board.call("echo__say", message="hello")
        {more}
"""
    first = example(swallows.format(more="")).run_here(pytester, "--mcp-record")
    more = 'with contextlib.suppress(MCPError): board.call("echo__say", message="again")'
    run = first.example.with_files({"test_it.py": swallows.format(more=more)}).run_here(pytester)
    assert run.outcomes == {"failed": 1}
    run.says("mcp replay miss in test_it", 'sent "again"')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"mcpsym":1', '"mcpsym":9'), "the format is version 9, and this release reads version 1"),
        (('"jsonrpc":"2.0"', '"jsonrpc":2.0"'), "the line is no JSON"),
        (
            ("test_it.py::test_it", "test_it.py::test_old"),
            "was recorded by test_it.py::test_old, and this is test_it.py::test_it",
        ),
        (('{"mcpsym"', "{"), "the first line is no head of a recording"),
    ],
)
def test_a_file_that_is_no_recording_of_this_test_names_line_and_remedy(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], message: str
) -> None:
    monkeypatch.delenv("CI", raising=False)
    first = example(text()).run_here(pytester, "--mcp-record")
    spoiled = str(first.changed[FILE]).replace(*change, 1)
    run = first.example.with_files({FILE: spoiled}).run_here(pytester, "-p", "no:cacheprovider")
    assert (run.outcomes, set(run.changed)) == ({"failed": 1}, set())
    run.says(f"{FILE}:", message, "--mcp-rerecord")


def test_a_read_only_recording_is_left_as_it_was(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("os.access", _refused)  # root may write everything
    first = example(text()).with_files({FILE: "what was there\n"})
    run = first.run_here(pytester, "--mcp-rerecord", "-p", "no:cacheprovider", "--mcp-trace=off")
    assert (run.outcomes, set(run.changed)) == ({"passed": 1, "error": 1}, set())
    run.says(f"{FILE} could not be written (the file is read-only); what was recorded before is unchanged")


@pytest.mark.parametrize("body", ["pytest.skip('later')", "pytest.xfail('known')"])
def test_a_test_that_was_not_seen_to_pass_leaves_the_recording_alone(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.delenv("CI", raising=False)
    run = example(text() + f"    {body}\n").run_here(pytester, "--mcp-record", "-p", "no:cacheprovider")
    assert FILE not in run.changed
    assert (f"{FILE}.new" in run.changed) == ("xfail" in body)


def test_names_in_ini_and_the_fixture_are_secret_too(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    told = text().replace('message="hello"', '{"message": "hello", "pin": "four-score", "note": "my-own-value"}')
    files = {
        "pytest.ini": ini("mcp_redact_fields = pin"),
        "conftest.py": "import pytest\nfrom pytest_mcpsym import Rules\n\n\n@pytest.fixture(scope='session')\ndef mcp_redact():\n"
        "    return Rules(secrets=(('mine', 'my-own-value'),))\n",
    }
    run = example(told, **files).run_here(pytester, "--mcp-record", "-p", "no:cacheprovider")
    assert '"pin":"<pin:1>","note":"<mine:1>"' in str(run.changed[FILE])
    again = run.example.run_here(pytester, "-p", "no:cacheprovider")
    assert again.outcomes == {"passed": 1}

"""A process that cannot be started says what is wrong, and what is nearest."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import pytest
from mcp.client.stdio import StdioServerParameters

from pytest_mcpsym.errors import LinkError
from pytest_mcpsym.transport.stdio import open_stdio
from pytest_mcpsym.transport.tap import Tap
from pytest_mcpsym.wire.log import WireLog

pytestmark = pytest.mark.anyio


async def refused(params: StdioServerParameters) -> LinkError:
    """Return the error of a process that cannot be started."""
    log = WireLog()
    with anyio.fail_after(20), pytest.raises(LinkError) as caught:
        async with open_stdio(params, Tap(log, "peer")):
            pass
    assert [note.channel for note in log.notes] == ["failure"]
    return caught.value


async def test_a_command_that_does_not_exist_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "weather-server").touch(mode=0o755)
    params = StdioServerParameters(command="wether-server", args=["--port", "1 2"], env={"PATH": str(tmp_path)})
    error = await refused(params)
    assert (error.link, error.reason) == ("peer", "not-found")
    assert str(error) == (
        "link 'peer': cannot start `wether-server --port '1 2'`: there is no command 'wether-server' on PATH. "
        "Nearest command: 'weather-server'. Install it, correct its name, or give its full path."
    )


async def test_a_path_that_does_not_exist_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "server.py").touch()
    error = await refused(StdioServerParameters(command=str(tmp_path / "sever.py")))
    assert error.reason == "not-found"
    assert f"'{tmp_path}/sever.py' does not exist. Nearest in '{tmp_path}': 'server.py'." in str(error)


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("#!/bin/sh\n", 0o644, "it is not executable. Make"),
        ("#!/no/such/shell\n", 0o755, "the interpreter that its first line names does not exist"),
        ("hello\n", 0o755, "Exec format error"),
    ],
)
async def test_a_program_that_cannot_start_says_why(text: str, mode: int, said: str, tmp_path: Path) -> None:
    server = tmp_path / "server"
    server.write_text(text)
    server.chmod(mode)
    error = await refused(StdioServerParameters(command=str(server)))
    assert error.reason == "not-started"
    assert said in str(error)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"cwd": "/no/such"}, "'/no/such' is no directory. Create it or change `cwd`."), ({"args": ["\0"]}, "embedded null byte")],
)
async def test_a_start_with_wrong_parameters_says_why(wrong: dict[str, object], said: str) -> None:
    error = await refused(StdioServerParameters(command=sys.executable, args=["-V"]).model_copy(update=wrong))
    assert error.reason == "not-started"
    assert said in str(error)

"""Ctrl-C: a blocking board with a server process ends, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.switchboard.servers import process

ROOT = Path(__file__).parents[2]

SCRIPT = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell that runs the tests in its background has it ignored.
from pytest_mcpsym.switchboard import switchboard
with switchboard(server={command!r}) as board:
    print("open", flush=True)
    {wait}
"""


def wait_for(path: Path) -> str:
    """The text of a file that another process is about to write."""
    deadline = time.monotonic() + 20
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.01)
    return path.read_text()


@pytest.mark.parametrize("wait", ["board.call('server__x')", "import time; time.sleep(60)"])
def test_an_interrupted_script_leaves_no_server_behind(tmp_path: Path, wait: str) -> None:
    pid, called = tmp_path / "pid", tmp_path / "called"
    source = (
        f"open({str(pid)!r}, 'w').write(str(os.getpid()))\nshake()\nopen({str(called)!r}, 'w').write('x')\nwhile True: hear()"
    )
    code = SCRIPT.format(command=process(tmp_path, source), wait=wait)
    script = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert script.stdout is not None
        assert script.stdout.readline() == "open\n"
        wait_for(called)
        script.send_signal(signal.SIGINT)
        _, errors = script.communicate(timeout=20)
    finally:
        script.kill()
        script.wait()
    assert "KeyboardInterrupt" in errors
    assert script.returncode in (130, -signal.SIGINT)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_script_interrupted_while_its_board_opens_leaves_no_server_behind(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    source = f"open({str(pid)!r}, 'w').write(str(os.getpid()))\nwhile True: hear()"
    code = SCRIPT.format(command=process(tmp_path, source), wait="pass")
    script = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(pid)
        script.send_signal(signal.SIGINT)
        _, errors = script.communicate(timeout=20)
    finally:
        script.kill()
        script.wait()
    assert "KeyboardInterrupt" in errors
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)

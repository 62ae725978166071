"""What `recorder/pipes.py` promises: neither side of a recorded server can tell that it is recorded."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_mcpsym.wire.corpus import corpus
from pytest_mcpsym.wire.reading import read
from pytest_mcpsym.wire.recording import Recording

LIMIT = 30
"""Seconds that any of these processes may take."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "talk.jsonl"


def recorder(path: Path, *command: str) -> list[str]:
    return [sys.executable, "-m", "pytest_mcpsym", "record", str(path), "--", *command]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", f"import os, signal, sys, time\n{code}"]


def found(path: Path) -> Recording:
    return read(path.read_bytes(), path.name)


def ran(command: list[str], given: bytes = b"") -> tuple[int, bytes, bytes]:
    done = subprocess.run(command, input=given, capture_output=True, timeout=LIMIT, check=False)
    return done.returncode, done.stdout, done.stderr


def _hears_signals() -> None:
    """A background job of a shell ignores SIGINT, and so would what it starts."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def running(command: list[str]) -> Generator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command,
        stdin=pipe,
        stdout=pipe,
        bufsize=0,
        start_new_session=True,
        preexec_fn=_hears_signals if os.name != "nt" else None,  # noqa: PLW1509 - it takes no lock
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def say(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)


ECHO = "sys.stdout.buffer.write(sys.stdin.buffer.read())"
READY = "print('ready', flush=True)"


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"{}\n",
        b"{}\r\n[]\r\n",
        b"\n\n{}\n\n",
        b"half a li",
        b"\xff\xfe\x00garbage\n",
        "é\u2028\U0001f600\n".encode(),
        b"x" * 3_000_000 + b"\n" + b"{}\n" * 1000,
        b"".join(case.data + b"\n" for case in corpus()),
    ],
    ids=range(9),
)
def test_bytes_pass_as_they_are(path: Path, given: bytes) -> None:
    command = python(ECHO)

    assert ran(recorder(path, *command), given) == ran(command, given) == (0, given, b"")
    lines = [line.removesuffix(b"\r") for line in given.split(b"\n")]
    assert [f.data for f in found(path).log.frames if f.direction == "to-client"] == [line for line in lines if line]


def test_a_partial_line_is_passed_on_before_its_end(path: Path) -> None:
    with running(recorder(path, *python("os.write(1, b'half'); os.read(0, 1)"))) as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"half"


def test_a_line_is_in_the_file_before_a_peer_has_it(path: Path) -> None:
    with running(recorder(path, *python("print(sys.stdin.readline().strip(), flush=True); os.read(0, 1)"))) as process:
        say(process, b"one\n")
        assert line_of(process) == b"one\n"
        assert [frame.data for frame in found(path).log.frames] == [b"one", b"one"]


def test_standard_error_is_passed_on_and_kept(path: Path) -> None:
    command = python("sys.stderr.write('one\\ntwo')")

    assert ran(recorder(path, *command)) == ran(command) == (0, b"", b"one\ntwo")
    assert [note.data["text"] for note in found(path).log.notes if note.channel == "stderr"] == ["one", "two"]


@pytest.mark.parametrize("status", [0, 1, 77, 255])
def test_the_exit_status_is_passed_on_and_kept(path: Path, status: int) -> None:
    assert ran(recorder(path, *python(f"sys.exit({status})")))[0] == status
    assert [note.data["status"] for note in found(path).log.notes if note.channel == "exit"] == [status]


@pytest.mark.skipif(os.name == "nt", reason="no signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGABRT])
def test_a_server_that_a_signal_ended_looks_so(path: Path, number: signal.Signals) -> None:
    assert ran(recorder(path, *python(f"os.kill(os.getpid(), {int(number)})")))[0] == -number
    assert found(path).log.notes[-2].data["status"] == -number


@pytest.mark.skipif(os.name == "nt", reason="no signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_reaches_the_server_and_its_answer_the_client(path: Path, number: signal.Signals) -> None:
    command = python(
        f"signal.signal({int(number)}, lambda *_: (print('caught', flush=True), os._exit(9)))\n{READY}\nos.read(0, 1)"
    )
    with running(recorder(path, *command)) as process:
        assert line_of(process) == b"ready\n"
        process.send_signal(number)
        assert line_of(process) == b"caught\n"
        assert process.wait(LIMIT) == 9


@pytest.mark.skipif(os.name == "nt", reason="no signals")
def test_a_server_without_a_handler_ends_by_the_signal(path: Path) -> None:
    with running(recorder(path, *python(f"{READY}\nos.read(0, 1)"))) as process:
        assert line_of(process) == b"ready\n"
        process.terminate()
        assert process.wait(LIMIT) == -signal.SIGTERM


def test_the_end_of_the_input_reaches_the_server(path: Path) -> None:
    with running(recorder(path, *python(f"{READY}\nsys.stdin.read(); sys.exit(5)"))) as process:
        assert line_of(process) == b"ready\n"
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(LIMIT) == 5
    assert [n.channel for n in found(path).log.notes] == ["open", "closing", "exit", "close"]
    assert found(path).log.notes[-1].data == {"by": "host"}


def test_the_end_of_the_output_reaches_the_client_while_the_server_runs(path: Path) -> None:
    with running(recorder(path, *python(f"{READY}\nos.close(1); os.read(0, 1)"))) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"ready\n"
        assert process.poll() is None


def test_a_client_that_stops_to_read_is_noticed_by_the_server(path: Path) -> None:
    code = f"signal.signal(signal.SIGPIPE, signal.SIG_IGN)\n{READY}\nos.read(0, 1)\ntry:\n while 1: os.write(1, b'x' * 9999)\n"
    with running(recorder(path, *python(f"{code}except BrokenPipeError: os._exit(3)"))) as process:
        assert line_of(process) == b"ready\n"
        assert process.stdout is not None
        process.stdout.close()
        say(process, b"\n")
        assert process.wait(LIMIT) == 3


def test_the_end_of_the_server_is_the_end_of_the_recorder_though_a_child_holds_its_output(path: Path) -> None:
    child = "time.sleep(600)"
    code = f"import subprocess\np = subprocess.Popen({python(child)!r})\nprint(p.pid, flush=True); os._exit(4)"
    with running(recorder(path, *python(code))) as process:
        number = int(line_of(process))
        try:
            assert process.wait(LIMIT) == 4
        finally:
            os.kill(number, signal.SIGTERM)


@pytest.mark.skipif(os.name == "nt", reason="no signals")
def test_a_recorder_that_is_killed_leaves_a_file_that_reads_and_takes_its_server_along(path: Path) -> None:
    code = "for line in sys.stdin: print(line, end='', flush=True)"
    with running(recorder(path, *python(f"print(os.getpid(), flush=True)\n{code}"))) as process:
        line_of(process)
        for word in (b"one\n", b"two\n"):
            say(process, word)
            assert line_of(process) == word
        process.kill()
        assert process.stdout is not None
        assert process.stdout.read() == b""  # nobody holds the output any more
    assert [frame.data for frame in found(path).log.frames][1:] == [b"one", b"one", b"two", b"two"]


def test_environment_and_working_directory_are_those_of_the_recorder(path: Path, tmp_path: Path) -> None:
    command = recorder(path, *python("print(os.environ['COLOUR'], os.getcwd())"))
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "COLOUR": "red"}, capture_output=True, text=True, timeout=LIMIT, check=False
    )

    assert done.stdout == f"red {tmp_path}\n"


def test_secrets_of_environment_and_arguments_are_not_in_the_file(path: Path) -> None:
    code = "print(os.environ['API_KEY'], *sys.argv); print(os.environ['API_KEY'], *sys.argv, file=sys.stderr)"
    done = subprocess.run(
        recorder(path, *python(code), "--token", "argument-99"),
        env={**os.environ, "API_KEY": "environment-77"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )

    assert "environment-77" in done.stdout
    assert "argument-99" in done.stderr
    assert "environment-77" not in path.read_text("utf-8")
    assert "argument-99" not in path.read_text("utf-8")


def test_a_second_double_dash_belongs_to_the_command(path: Path) -> None:
    command = python("print(sys.argv[1:])")

    assert ran(recorder(path, *command, "a", "--", "b", "--help"))[1] == b"['a', '--', 'b', '--help']\n"
    assert shlex.split(str(found(path).log.notes[0].data["target"]))[-3:] == ["--", "b", "--help"]

"""Nothing is found on software that nobody here wrote, when it is used as it is meant to be.

One session for all: list, call one after another and all at once, tell progress, fail, give up, and go on. Every check runs over it,
and its warnings count too. What our own fakes are put through is the same.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import pytest
from mcp import MCPError

from fake_servers import clock, everything, files, issue_tracker, sequential_thinking
from pytest_mcpsym import AsyncBoard, LinkSpec, link
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.target import Era
from tests.peers.provision import git_peer, npm_peer, sdk_v1_peer, time_peer, typescript_peer
from tests.peers.servers import sdk
from tests.peers.servers.fast import fast

Call = tuple[str, Mapping[str, object]]
THOUGHT = {"thought": "hm", "thoughtNumber": 1, "totalThoughts": 1, "nextThoughtNeeded": False}
ADD: Call = ("add", {"a": 1, "b": 2})
SLOW: Call = ("slow", {"steps": 3})
NEVER: Call = ("slow", {"steps": 0})


@dataclass(frozen=True, slots=True)
class Peer:
    """One of the servers, and what it is asked.

    Attributes:
        at: Describes the link to it; it may need a folder.
        calls: What it is called with, one after another and then all at once.
        progress: A call that tells of its progress.
        endless: A call that is given up.
        eras: Eras that it speaks.
    """

    at: Callable[[Path], object]
    calls: tuple[Call, ...]
    progress: Call | None = None
    endless: Call | None = None
    eras: tuple[Era, ...] = ("handshake", "modern")


def _command(*words: str) -> str:
    return shlex.join(words)


def _git(folder: Path) -> str:
    """The server, and a repository with one commit."""
    command = git_peer("--repository", str(folder))
    author = dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "somebody@example.org")
    names = dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "Somebody")
    for words in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "--message", "first"]):
        subprocess.run(["git", *words], cwd=folder, check=True, env={**os.environ, **author, **names})
    return _command(*command)


def _http(target: object) -> LinkSpec:
    return link(target, transport="http")


LONG: Call = ("trigger-long-running-operation", {"duration": 0.2, "steps": 2})
EVERYTHING: tuple[Call, ...] = (("echo", {"message": "hi"}), ("get-sum", {"a": 1, "b": 2}), ("get-tiny-image", {}))
REFERENCE = partial(Peer, calls=EVERYTHING, progress=LONG, endless=("trigger-long-running-operation", {"duration": 60}))
SDK = partial(Peer, calls=(ADD, ("add", {"a": "x"}), ("nothing", {})), progress=SLOW, endless=NEVER)

PEERS: Mapping[str, Peer] = {
    "npm-everything": REFERENCE(lambda _: _command(*npm_peer("server-everything", "stdio")), eras=("handshake",)),
    "npm-sequential-thinking": Peer(
        lambda _: _command(*npm_peer("server-sequential-thinking")), (("sequentialthinking", THOUGHT),), eras=("handshake",)
    ),
    "mcp-server-time": Peer(
        lambda _: _command(*time_peer("--local-timezone", "UTC")),
        (("get_current_time", {"timezone": "UTC"}), ("get_current_time", {"timezone": "Mars/Olympus"})),
        eras=("handshake",),
    ),
    "mcp-server-git": Peer(
        _git, (("git_status", {"repo_path": "."}), ("git_log", {"repo_path": "."}), ("git_branch", {})), eras=("handshake",)
    ),
    "python-sdk-1": SDK(lambda _: _command(*sdk_v1_peer()), eras=("handshake",)),
    "typescript-sdk-2": SDK(lambda _: _command(*typescript_peer())),
    "python-sdk-2-high": SDK(lambda _: sdk.high()),
    "python-sdk-2-high-http": SDK(lambda _: _http(sdk.high())),
    "python-sdk-2-low": SDK(lambda _: sdk.low()),
    "fastmcp": SDK(lambda _: fast()),
    "fastmcp-http": SDK(lambda _: _http(fast())),
    "our-everything": REFERENCE(lambda _: everything()),
    "our-everything-http": REFERENCE(lambda _: _http(everything())),
    "our-sequential-thinking": Peer(lambda _: sequential_thinking(), (("sequentialthinking", THOUGHT),)),
    "our-clock": Peer(lambda _: clock(), (("now", {}), ("advance", {"seconds": 5}), ("now", {"timezone": "Mars/Olympus"}))),
    "our-files": Peer(lambda _: files(), (("list_directory", {"path": "/"}), ("read_file", {"path": "/nothing"}))),
    "our-issue-tracker": Peer(lambda _: _http(issue_tracker()), (("list_issues", {}), ("get_issue", {"number": 9_999}))),
}


async def _heard(progress: float, total: float | None, message: str | None) -> None:
    """Take progress, which is on the log already."""


async def use(board: AsyncBoard, peer: Peer) -> None:
    """Hold the session."""
    client = board.client("peer")
    lists: list[Callable[[], Awaitable[object]]] = [client.list_tools, client.list_resources, client.list_prompts]
    calls = [partial(board.call, f"peer__{tool}", arguments) for tool, arguments in peer.calls]
    typed = [partial(client.call_tool, tool, dict(arguments)) for tool, arguments in peer.calls]
    for each in (*lists, *calls, *typed):
        await tried(each)
    if peer.progress is not None:
        tool, arguments = peer.progress
        await tried(partial(board.options(progress=_heard).call, f"peer__{tool}", arguments))
        await tried(partial(client.call_tool, tool, dict(arguments), progress_callback=_heard))
    async with anyio.create_task_group() as tasks:
        for each in (*calls, *typed, *lists):
            tasks.start_soon(tried, each)
        if peer.endless is not None:
            tasks.start_soon(given_up, partial(board.call, f"peer__{peer.endless[0]}", peer.endless[1]))
            tasks.start_soon(given_up, partial(client.call_tool, peer.endless[0], dict(peer.endless[1])))
    await tried(calls[0])


async def tried(work: Callable[[], Awaitable[object]]) -> None:
    with suppress(MCPError):
        await work()


async def given_up(work: Callable[[], Awaitable[object]]) -> None:
    with anyio.move_on_after(0.3):
        await tried(work)


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:The sampling capability is deprecated")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(("name", "era"), [(name, era) for name, peer in PEERS.items() for era in peer.eras])
async def test_nothing_is_found_on_healthy_software(switchboard: Switchboard, tmp_path: Path, name: str, era: Era) -> None:
    peer = PEERS[name]
    async with switchboard(peer=peer.at(tmp_path), era=era) as board:
        await use(board, peer)
    assert [f"{each.severity} {each.check}: {each.message}" for each in board.findings] == []
    assert any(frame.message.kind == "result" and frame.message.result.get("content") for frame in board.log.frames)

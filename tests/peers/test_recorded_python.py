"""Servers and a gateway made with FastMCP and the SDK are recorded once, then replayed where they cannot be reached.

All are recorded in one run of pytest and replayed in another, on both event loops, in which a process, a port or a connection is an
error. A session that both runs have in common returns the same and leaves the same transcript.
"""

from __future__ import annotations

import json
from types import MappingProxyType

import pytest

from tests.peers.alone import ALONE
from tests.plugin.harness import Example, Run

PEERS = {
    "fast": ("memory", "sockets"),
    "proxy": ("memory", "http"),
    "high": ("memory", "sockets"),
    "low": ("memory", "http", "sockets"),
}
"""Which servers are reached over what."""

TEST = f"""
import json, os, pathlib, sys

import pytest

from tests.peers import sessions

PEERS = [(name, way) for name, ways in {PEERS!r}.items() for way in ways]

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

@pytest.mark.anyio
@pytest.mark.mcp(era="both")
@pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")
@pytest.mark.parametrize(("name", "way"), PEERS)
async def test_it(switchboard, recorded, request, name, way):
    live = "LIVE" in os.environ
    peer = recorded(sessions.real(name, way) if live else "no-such-command-of-anybody")
    session = sessions.of_sdk if name in ("high", "low") else sessions.of_fastmcp
    async with sessions.answering(switchboard(peer=peer)) as board:
        got = await session(board)
    assert live or not {{"tests.peers.servers.fast", "tests.peers.servers.sdk"}} & set(sys.modules)
    assert board.findings == ()
    pathlib.Path(f"{{request.node.name}}.json").write_text(json.dumps([got, board.transcript()]), "utf-8")
"""

ERAS = ("handshake", "modern")


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """The run that recorded, and the run that replayed."""
    example = Example(MappingProxyType({"test_it.py": TEST}), tmp_path_factory.mktemp("recorded"))
    options = ("-p", "no:cacheprovider")
    first = example.run(*options, "--mcp-record", "--mcp-record-in-ci", "-k", "asyncio", plugins="anyio", env={"LIVE": "yes"})
    recorded = {path: text for path, text in first.changed.items() if path.startswith("recordings/")}
    again = example.with_files({**recorded, "conftest.py": ALONE}).run(*options, plugins="anyio")
    return first, again


def test_all_are_recorded_and_replay_with_nobody_there(runs: tuple[Run, Run]) -> None:
    first, again = runs
    count = len(ERAS) * sum(len(ways) for ways in PEERS.values())
    assert first.outcomes == {"passed": count, "deselected": count}, first.text
    assert again.outcomes == {"passed": 2 * count}, again.text


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("name", "way"), [(name, way) for name, ways in PEERS.items() for way in ways])
def test_a_replay_returns_the_same_and_leaves_the_same_transcript(
    runs: tuple[Run, Run], name: str, way: str, era: str, loop: str
) -> None:
    first, again = (run.changed for run in runs)
    recorded = first[f"test_it[asyncio-{era}-{name}-{way}].json"]
    replayed = again[f"test_it[{loop}-{era}-{name}-{way}].json"]
    assert recorded is not None
    assert replayed is not None
    for one, other in zip(json.loads(recorded), json.loads(replayed), strict=True):
        assert one == other

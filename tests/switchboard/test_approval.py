"""The user approves what one server wants of another, or does not: by pattern, in order, by a function; and the log says so."""

from __future__ import annotations

import json
from collections.abc import Mapping

import anyio
import anyio.lowlevel
import pytest
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer

from pytest_mcpsym import link
from pytest_mcpsym.errors import AnswerTimeout, UsageError
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard import routing
from pytest_mcpsym.switchboard.approval import ApprovalRequest, Approvals
from pytest_mcpsym.switchboard.asker import Asker
from pytest_mcpsym.switchboard.target import Era, LinkSpec
from pytest_mcpsym.switchboard.views import Views
from pytest_mcpsym.symmetric import Extension, peer
from pytest_mcpsym.wire.log import WireLog
from tests.switchboard.servers import demo, text

pytestmark = pytest.mark.anyio
every_era = pytest.mark.parametrize("era", ["handshake", "modern"])

NOBODY = Asker("nobody", None, WireLog())
HI: Mapping[str, object] = {"text": "hi"}


def caller(approve: list[str], era: Era | None = None) -> LinkSpec:
    """A server that calls what it is told, or reads it, and says which error came of it."""
    sym = Extension()
    server = MCPServer("caller", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def ask(context: Context, tool: str) -> str:
        try:
            return text(await peer(context).call_tool(tool, HI))
        except MCPError as error:
            return f"{error.code} {error.message} {json.dumps(error.error.data)}"

    @server.tool(structured_output=False)
    async def read(context: Context, uri: str) -> str:
        try:
            return str((await peer(context).read_resource(uri)).contents[0].uri)
        except MCPError as error:
            return error.message

    return link(server, approve=approve, era=era)


def noted(board: Views) -> list[tuple[str, object, object]]:
    """What was asked, by whom, and what was decided."""
    return [(note.link, note.data["name"], note.data["decision"]) for note in board.log.notes if note.channel == "approval"]


@every_era
async def test_the_user_approves_in_order_and_only_what_a_pattern_names_is_asked(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(caller=caller(["demo__e*"], era), demo=demo()) as board:
        board.user.approve(True, False)
        said = [text(await board.call("caller__ask", tool=f"demo__{tool}")) for tool in ("keys", "echo", "echo")]
    assert said[1:] == [
        "hi",
        '-32602 the user did not approve tools/call of demo__echo by caller {"reason": "not-approved"}',
    ]
    assert noted(board) == [("caller", "demo__echo", "approved"), ("caller", "demo__echo", "refused")]
    assert board.routes == ["host > caller > demo"] * 2 + ["host > caller"]


def test_a_board_that_blocks_asks_the_same_user(switchboard: Switchboard) -> None:
    with switchboard(caller=caller(["demo"]), demo=demo()) as board:
        board.user.approve({"demo__echo": True})
        assert text(board.call("caller__ask", tool="demo__echo")) == "hi"
    assert noted(board) == [("caller", "demo__echo", "approved")]


@every_era
async def test_what_nobody_decided_on_is_refused_and_the_error_says_how_to_decide(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(caller=caller(["*"], era), demo=demo()) as board:
        assert text(await board.call("caller__ask", tool="demo__echo")) == (
            "-32602 the test scripted no approval of tools/call of demo__echo by caller; add one with board.user.approve(True) or "
            """board.user.approve({'demo__echo': True}) {"reason": "not-approved"}"""
        )
    assert noted(board) == [("caller", "demo__echo", "unscripted")]
    assert not any(frame.message.method == "tools/call" for frame in board.log.on("demo"))


@pytest.mark.parametrize("plain", [True, False], ids=["function", "async function"])
async def test_a_function_decides_by_what_is_wanted(switchboard: Switchboard, plain: bool) -> None:
    seen: list[ApprovalRequest] = []

    def decide(request: ApprovalRequest) -> bool:
        seen.append(request)
        return request.arguments == HI

    async def decide_later(request: ApprovalRequest) -> bool:
        await anyio.lowlevel.checkpoint()
        return decide(request)

    async with switchboard(caller=caller(["demo"]), demo=demo()) as board:
        board.user.approve(decide if plain else decide_later)
        assert text(await board.call("caller__ask", tool="demo__echo")) == "hi"
    assert seen == [ApprovalRequest("caller", "tools/call", "demo__echo", HI)]


async def test_a_resource_is_approved_by_its_routed_uri(switchboard: Switchboard) -> None:
    server = MCPServer("files", log_level="WARNING")

    @server.resource("file:///a")
    def a() -> str:
        return "a"

    async with switchboard(caller=caller(["files+file:*"]), files=server) as board:
        board.user.approve({"files+*": True})
        assert text(await board.call("caller__read", uri="files+file:///a")) == "file:///a"
    assert noted(board) == [("caller", "files+file:///a", "approved")]


async def test_what_is_not_granted_is_not_asked_about(switchboard: Switchboard) -> None:
    async with switchboard(caller=link(caller(["*"]), grants=["other"]), demo=demo()) as board:
        assert "not-granted" in text(await board.call("caller__ask", tool="demo__echo"))
    assert noted(board) == []


@every_era
async def test_a_user_who_takes_too_long_is_cut_off_with_the_call(
    switchboard: Switchboard, era: Era, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "DEADLINE_GRACE", 0.05)

    async def never(request: ApprovalRequest) -> bool:
        await anyio.sleep_forever()
        return True

    async with switchboard(caller=caller(["*"], era), demo=demo()) as board:
        board.user.approve(never)
        with pytest.raises(AnswerTimeout):
            await board.options(timeout=0.2).call("caller__ask", tool="demo__echo")
    assert not any(frame.message.method == "tools/call" for frame in board.log.on("demo"))


async def test_the_transcript_with_notes_shows_what_was_decided(switchboard: Switchboard) -> None:
    async with switchboard(caller=caller(["demo"]), demo=demo()) as board:
        board.user.approve(False)
        await board.call("caller__ask", tool="demo__echo")
    assert "\ncaller  approval  tools/call  demo__echo  refused\n" in board.transcript(normalised=False)


async def test_a_pattern_decides_as_often_as_it_is_asked_and_before_the_order() -> None:
    approvals = Approvals()
    approvals.script(True, {"demo__*": False})
    ask = [ApprovalRequest("caller", "tools/call", name, {}) for name in ("demo__a", "demo__b", "other__a", "other__a")]
    assert [await approvals.decide(request, NOBODY) for request in ask] == ["refused", "refused", "approved", "unscripted"]


async def test_a_function_that_returns_no_bool_is_an_error() -> None:
    approvals = Approvals()
    approvals.script(lambda _: "yes")  # pyright: ignore[reportArgumentType] - a mistake
    with pytest.raises(UsageError, match=r"decides on demo__a returned 'yes'; return True or False"):
        await approvals.decide(ApprovalRequest("caller", "tools/call", "demo__a", {}), NOBODY)


@pytest.mark.parametrize("wrong", ["yes", 1, {"demo": "no"}])
def test_what_is_no_answer_is_refused_when_it_is_scripted(wrong: object) -> None:
    with pytest.raises(UsageError, match=r"approves nothing and refuses nothing; use True, False, a function"):
        Approvals().script(wrong)  # pyright: ignore[reportArgumentType] - a mistake


def test_a_pattern_that_is_one_text_is_refused() -> None:
    with pytest.raises(UsageError, match=r"approve='demo' is one text; give a list of patterns, as in approve=\['demo'\]"):
        link(demo(), approve="demo")

"""`@modelcontextprotocol/server-everything` on one link: every feature of it crosses the log, over stdio and over HTTP.

The server is the reference implementation in TypeScript, of the handshake era. What it does by itself: it tells of new tools after the
handshake, and about 350 ms later it asks for the roots and says so in a log message.
"""

from __future__ import annotations

import json
import shlex
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import anyio
import pytest
from mcp import MCPError
from mcp_types import CallToolResult, CreateMessageRequestParams, ElicitRequestParams, PromptReference, TextContent

from pytest_mcpsym import AnswerTimeout, AsyncBoard, Board, link
from pytest_mcpsym.plugin import Switchboard
from tests.peers.progress import Told, giving_up, into, unheard
from tests.peers.provision import npm_peer
from tests.peers.waiting import at_rest, at_rest_async, knows_roots, logged, sent_by_host, sent_by_server, until, until_async

LONG = "everything__trigger-long-running-operation"
STATIC = "demo://resource/static/document/structure.md"


@pytest.fixture
def local() -> str:
    """The command that starts the server over stdio: for what has nothing to do with the transport."""
    return shlex.join(npm_peer("server-everything", "stdio"))


@pytest.fixture(params=["stdio", "http"])
def everything(request: pytest.FixtureRequest) -> str:
    """The server over each transport: a command, or the URL of one that runs already."""
    return str(request.getfixturevalue({"stdio": "local", "http": "everything_url"}[request.param]))


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


# Tools, on the blocking face.


def test_a_call_is_answered_and_leaves_one_route(switchboard: Switchboard, everything: str) -> None:
    with at_rest(switchboard(everything=everything), "everything") as board:
        result = board.call("everything__echo", message="Grüße \U0001f600")
    assert text_of(result) == "Echo: Grüße \U0001f600"
    assert board.routes == "host > everything"
    assert board.findings == ()


def test_structured_content_is_kept(switchboard: Switchboard, local: str) -> None:
    with at_rest(switchboard(everything=local), "everything") as board:
        result = board.call("everything__get-structured-content", location="Chicago")
    assert result.structured_content == {"temperature": 36, "conditions": "Light rain / drizzle", "humidity": 82}


@pytest.mark.mcp(max_inlined_bytes=1_000, max_listed_tools=10, expect=["budget:inlined", "budget:tools-listed"])
def test_its_image_and_its_many_tools_pass_limits(switchboard: Switchboard, local: str) -> None:
    with switchboard(everything=local) as board:
        board.tools()
        board.call("everything__get-tiny-image")
        board.call("everything__get-resource-links", count=3)
    listed, inlined = (each.message for each in board.findings)
    assert "host was shown 1" in listed
    assert "the answer of tools/call get-tiny-image put 5," in inlined
    assert "as content[1].data: a resource link takes its URI alone" in inlined


def test_an_image_and_resource_links_are_kept(switchboard: Switchboard, local: str) -> None:
    with at_rest(switchboard(everything=local), "everything") as board:
        image = board.call("everything__get-tiny-image")
        links = board.call("everything__get-resource-links", count=2)
    assert [block.type for block in image.content] == ["text", "image", "text"]
    assert [block.type for block in links.content] == ["text", "resource_link", "resource_link"]


def test_arguments_that_the_tool_refuses_are_a_result_that_says_so(switchboard: Switchboard, local: str) -> None:
    with at_rest(switchboard(everything=local), "everything") as board:
        result = board.call("everything__get-sum", {"a": "one"})
    assert result.is_error
    assert "Input validation error" in text_of(result)
    assert board.findings == ()


def test_the_tools_that_need_capabilities_of_the_host_are_all_there(switchboard: Switchboard, local: str) -> None:
    with at_rest(switchboard(everything=local), "everything") as board:
        names = {tool.name for tool in board.tools()}
    assert len(names) == 17
    assert {
        f"everything__{name}" for name in ("get-roots-list", "trigger-sampling-request", "trigger-url-elicitation")
    } <= names


def test_progress_arrives_in_order_and_before_the_result(switchboard: Switchboard, everything: str) -> None:
    heard: list[Told] = []
    with at_rest(switchboard(everything=everything), "everything") as board:
        calls = board.options(progress=into(heard))
        result = calls.call(LONG, duration=0.05, steps=4)
    assert heard == [(1, 4, None), (2, 4, None), (3, 4, None), (4, 4, None)]
    assert text_of(result) == "Long running operation completed. Duration: 0.05 seconds, Steps: 4."
    assert board.findings == ()


def test_a_call_that_times_out_is_cancelled_and_the_server_survives(switchboard: Switchboard, everything: str) -> None:
    with at_rest(switchboard(everything=everything), "everything") as board:
        with pytest.raises(AnswerTimeout):
            board.options(timeout=0.1).call(LONG, duration=1.5, steps=1)
        assert text_of(board.call("everything__echo", message="still here")) == "Echo: still here"
    (asked, _) = sent_by_host(board, "everything", "tools/call")
    (cancelled,) = sent_by_host(board, "everything", "notifications/cancelled")
    assert json.dumps(cancelled.message.params["requestId"]) == asked.message.id
    assert board.findings == ()


# What the server asks the host.


def test_sampling_is_answered_by_the_model(switchboard: Switchboard, everything: str) -> None:
    def model(params: CreateMessageRequestParams) -> str:
        (message,) = params.messages
        assert isinstance(message.content, TextContent)
        return message.content.text.upper()

    with at_rest(switchboard(everything=everything), "everything") as board:
        board.model.script(model)
        result = board.call("everything__trigger-sampling-request", prompt="hello", maxTokens=7)
    assert '"text": "RESOURCE TRIGGER-SAMPLING-REQUEST CONTEXT: HELLO"' in text_of(result)
    (asked,) = sent_by_server(board, "everything", "sampling/createMessage")
    assert asked.message.params["maxTokens"] == 7
    assert board.findings == ()


def test_sampling_that_was_not_scripted_is_an_error_of_the_tool(switchboard: Switchboard, local: str) -> None:
    with at_rest(switchboard(everything=local), "everything") as board:
        result = board.call("everything__trigger-sampling-request", prompt="hello")
    assert result.is_error
    assert "board.model.script" in text_of(result)


def test_a_form_is_accepted_declined_or_cancelled_by_the_user(switchboard: Switchboard, local: str) -> None:
    with at_rest(switchboard(everything=local), "everything") as board:
        board.user.script({"name": "Ada"}, "decline", "cancel")
        said = [text_of(board.call("everything__trigger-elicitation-request")) for _ in range(3)]
    assert "- Name: Ada" in said[0]
    assert "User declined" in said[1]
    assert "User cancelled" in said[2]
    assert board.findings == ()


def test_a_url_is_opened_by_the_user(switchboard: Switchboard, local: str) -> None:
    asked: list[str] = []

    def user(params: ElicitRequestParams) -> str:
        asked.append(f"{params.mode} {params.message}")
        return "accept"

    with at_rest(switchboard(everything=local), "everything") as board:
        board.user.script(user)
        result = board.call("everything__trigger-url-elicitation", url="https://example.com/pay", message="Pay here")
    assert asked == ["url Pay here"]
    assert "User completed the URL elicitation flow" in text_of(result)
    assert board.findings == ()


def test_a_url_that_must_be_opened_first_is_an_error_with_its_data(switchboard: Switchboard, local: str) -> None:
    with at_rest(switchboard(everything=local), "everything") as board, pytest.raises(MCPError) as caught:
        board.call("everything__trigger-url-elicitation", url="https://example.com/pay", errorPath=True)
    assert caught.value.error.code == -32042
    data = cast("dict[str, list[dict[str, str]]]", caught.value.error.data)
    assert data["elicitations"][0]["url"] == "https://modelcontextprotocol.io"
    assert board.findings == ()


def test_the_server_asks_for_the_roots_by_itself(switchboard: Switchboard, everything: str) -> None:
    with at_rest(switchboard(everything=everything), "everything") as board:
        board.roots.append("file:///srv/project")
        until(lambda: knows_roots(board, "everything"), "the server to say that it knows the roots")
        result = board.call("everything__get-roots-list")
    assert "URI: file:///srv/project" in text_of(result)
    assert len(sent_by_server(board, "everything", "roots/list")) == 1
    assert board.findings == ()


@pytest.mark.filterwarnings("ignore:The roots capability is deprecated")
def test_a_server_that_is_told_of_new_roots_asks_again(switchboard: Switchboard, local: str) -> None:
    with at_rest(switchboard(everything=local), "everything") as board:
        until(lambda: knows_roots(board, "everything"), "the server to say that it knows the roots")
        board.roots.append("file:///srv/new")
        board.client("everything").send_roots_list_changed()  # pyright: ignore[reportDeprecated] - it is there for the handshake era
        until(lambda: len(logged(board, "everything")) == 2, "the server to say that it knows the new roots")
        result = board.call("everything__get-roots-list")
    assert "URI: file:///srv/new" in text_of(result)
    assert board.findings == ()


def test_a_roots_request_that_nobody_caused_belongs_to_no_route(switchboard: Switchboard, everything: str) -> None:
    with at_rest(switchboard(everything=everything), "everything") as board:
        # The request for the roots arrives while this call, and nothing else, is in flight.
        board.call(LONG, duration=0.6, steps=1)
    (call,) = sent_by_host(board, "everything", "tools/call")
    (asked,) = sent_by_server(board, "everything", "roots/list")
    assert call.seq < asked.seq < max(frame.seq for frame in board.log.frames if frame.message.id == call.message.id)
    assert board.routes == "host > everything"
    assert board.findings == ()


# The SDK's typed client on the same link.


def test_resources_are_listed_and_read(switchboard: Switchboard, local: str) -> None:
    with at_rest(switchboard(everything=local), "everything") as board:
        client = board.client("everything")
        listed = {str(resource.uri) for resource in client.list_resources().resources}
        templates = {template.uri_template for template in client.list_resource_templates().resource_templates}
        (static,) = client.read_resource(STATIC).contents
        (dynamic,) = client.read_resource("demo://resource/dynamic/text/7").contents
    assert STATIC in listed
    assert "demo://resource/dynamic/text/{resourceId}" in templates
    assert static.mime_type == "text/markdown"
    assert dynamic.model_dump()["text"].startswith("Resource 7: ")
    assert board.findings == ()


def test_a_tool_called_by_the_typed_client_crosses_the_same_log(switchboard: Switchboard, local: str) -> None:
    with at_rest(switchboard(everything=local), "everything") as board:
        result = board.client("everything").call_tool("get-structured-content", {"location": "Chicago"})
    assert result.model_dump()["structured_content"]["temperature"] == 36
    assert len(sent_by_host(board, "everything", "tools/call")) == 1
    assert board.routes == "host > everything"
    assert board.findings == ()


@pytest.mark.filterwarnings("ignore:.*is removed as of 2026-07-28")
def test_a_subscribed_resource_is_told_of(switchboard: Switchboard, everything: str) -> None:
    with at_rest(switchboard(everything=everything), "everything") as board:
        board.client("everything").subscribe_resource(STATIC)  # pyright: ignore[reportDeprecated] - it is there for the handshake era
        board.call("everything__toggle-subscriber-updates")
        until(lambda: bool(sent_by_server(board, "everything", "notifications/resources/updated")), "an update")
        board.call("everything__toggle-subscriber-updates")
        board.client("everything").unsubscribe_resource(STATIC)  # pyright: ignore[reportDeprecated] - it is there for the handshake era
    (updated,) = sent_by_server(board, "everything", "notifications/resources/updated")
    assert updated.message.params == {"uri": STATIC}
    assert board.findings == ()


def test_prompts_are_listed_and_filled_in(switchboard: Switchboard, local: str) -> None:
    with at_rest(switchboard(everything=local), "everything") as board:
        client = board.client("everything")
        names = {prompt.name for prompt in client.list_prompts().prompts}
        (message,) = client.get_prompt("args-prompt", {"city": "Oslo"}).messages
    assert {"simple-prompt", "args-prompt", "completable-prompt"} <= names
    assert isinstance(message.content, TextContent)
    assert message.content.text == "What's weather in Oslo?"


def test_an_argument_of_a_prompt_is_completed_in_its_context(switchboard: Switchboard, local: str) -> None:
    prompt = PromptReference(type="ref/prompt", name="completable-prompt")
    with at_rest(switchboard(everything=local), "everything") as board:
        found = board.client("everything").complete(
            prompt, {"name": "name", "value": "E"}, context_arguments={"department": "Sales"}
        )
    assert found.completion.values == ["Eve"]


@pytest.mark.filterwarnings("ignore:.*is removed as of 2026-07-28", "ignore:.*logging")
def test_log_messages_below_the_level_that_was_set_do_not_cross(switchboard: Switchboard, local: str) -> None:
    with at_rest(switchboard(everything=local), "everything") as board:
        client = board.client("everything")
        until(lambda: knows_roots(board, "everything"), "the server to say that it knows the roots")
        client.subscribe_resource(STATIC)  # pyright: ignore[reportDeprecated] - it is there for the handshake era
        until(lambda: any(STATIC in text for text in logged(board, "everything")), "the log message of the subscription")
        client.set_logging_level("error")  # pyright: ignore[reportDeprecated] - it is there for the handshake era
        client.unsubscribe_resource(STATIC)  # pyright: ignore[reportDeprecated] - it is there for the handshake era
        board.call("everything__echo", message="a round trip after the unsubscription")
    assert not [text for text in logged(board, "everything") if "Unsubscribe" in text]


def test_standard_error_is_in_the_log(switchboard: Switchboard, local: str) -> None:
    with at_rest(switchboard(everything=local), "everything") as board:
        pass
    assert [note.data for note in board.log.notes if note.channel == "stderr"] == [
        {"text": "Starting default (STDIO) server..."}
    ]
    assert [note.data for note in board.log.notes if note.channel == "exit"] == [{"status": 0, "asked": True}]


def test_closing_ends_the_session_over_http(switchboard: Switchboard, everything_url: str) -> None:
    with at_rest(switchboard(everything=everything_url), "everything") as board:
        pass
    asked = [note.data["method"] for note in board.log.notes if note.channel == "http" and note.data["event"] == "request"]
    assert asked[-1] == "DELETE"


def test_a_secret_of_the_environment_that_a_tool_prints_is_in_the_log_and_in_no_transcript(
    switchboard: Switchboard, local: str
) -> None:
    secret = "correct-horse-battery-staple"
    with at_rest(switchboard(everything=link(local, env={"API_TOKEN": secret})), "everything") as board:
        assert secret in text_of(board.call("everything__get-env"))
    assert any(secret.encode() in frame.data for frame in board.log.frames)
    assert secret not in board.transcript()
    assert secret not in board.transcript(normalised=False)


def test_the_headers_of_a_link_reach_the_server_and_no_transcript(switchboard: Switchboard, everything_url: str) -> None:
    secret = "correct-horse-battery-staple"
    with at_rest(switchboard(everything=link(everything_url, headers={"X-Api-Key": secret})), "everything") as board:
        board.call("everything__echo", message="hello")
    (call,) = sent_by_host(board, "everything", "tools/call")
    assert call.envelope is not None
    assert call.envelope.header("x-api-key") == secret
    assert secret not in board.transcript()
    assert secret not in board.transcript(normalised=False)


# The async face, on both event loops.


@pytest.mark.anyio
async def test_the_async_face_calls_reads_and_completes(switchboard: Switchboard, everything: str) -> None:
    async with at_rest_async(switchboard(everything=everything), "everything") as board:
        client = board.client("everything")
        assert text_of(await board.call("everything__echo", message="hi")) == "Echo: hi"
        assert (await client.read_resource(STATIC)).contents
        assert len(await board.tools()) == 17
    assert board.findings == ()


@pytest.mark.anyio
async def test_the_async_face_answers_sampling_and_elicitation_during_one_another(
    switchboard: Switchboard, everything: str
) -> None:
    async with at_rest_async(switchboard(everything=everything), "everything") as board, anyio.create_task_group() as tasks:
        board.model.script("4")
        board.user.script("accept")
        tasks.start_soon(board.call, "everything__trigger-sampling-request", {"prompt": "2 + 2"})
        tasks.start_soon(board.call, "everything__trigger-url-elicitation", {"url": "https://example.com"})
    assert len(sent_by_server(board, "everything", "sampling/createMessage")) == 1
    assert len(sent_by_server(board, "everything", "elicitation/create")) == 1
    assert board.findings == ()


@pytest.mark.anyio
async def test_a_call_that_is_given_up_is_cancelled_and_the_server_survives(switchboard: Switchboard, everything: str) -> None:
    async with at_rest_async(switchboard(everything=everything), "everything") as board:
        with anyio.CancelScope() as scope:
            calls = board.options(progress=giving_up(scope))
            await calls.call(LONG, duration=0.4, steps=20)
        assert scope.cancelled_caught
        assert text_of(await board.call("everything__echo", message="still here")) == "Echo: still here"
    (asked, _) = sent_by_host(board, "everything", "tools/call")
    (cancelled,) = sent_by_host(board, "everything", "notifications/cancelled")
    assert json.dumps(cancelled.message.params["requestId"]) == asked.message.id
    assert board.findings == ()


@pytest.mark.anyio
async def test_twenty_calls_at_once_each_get_their_own_answer(switchboard: Switchboard, everything: str) -> None:
    answers: dict[int, str] = {}

    async def call(board: AsyncBoard, number: int) -> None:
        answers[number] = text_of(await board.call("everything__get-sum", a=number, b=1000))

    async with at_rest_async(switchboard(everything=everything), "everything") as board, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(call, board, number)
    assert answers == {number: f"The sum of {number} and 1000 is {number + 1000}." for number in range(20)}
    assert board.findings == ()


def test_twenty_threads_share_a_blocking_board(switchboard: Switchboard, local: str) -> None:
    def call(number: int) -> str:
        return text_of(board.call("everything__get-sum", a=number, b=1000))

    with at_rest(switchboard(everything=local), "everything") as board, ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(call, range(20)))
    assert answers == [f"The sum of {number} and 1000 is {number + 1000}." for number in range(20)]
    assert board.findings == ()


# Transcripts: what is the same when the same thing happens again.


def a_session(board: Board) -> None:
    """Use everything whose answer is the same each time, and wait for what the server does by itself."""
    board.roots.append("file:///srv/project")
    board.model.script("4")
    board.user.script({"name": "Ada"}, "accept")
    until(lambda: knows_roots(board, "everything"), "the server to say that it knows the roots")
    board.call("everything__echo", message="hello")
    board.options(progress=unheard).call(LONG, duration=0.02, steps=2)
    board.call("everything__trigger-sampling-request", prompt="2 + 2")
    board.call("everything__trigger-elicitation-request")
    with pytest.raises(MCPError):
        board.call("everything__trigger-url-elicitation", url="https://example.com/pay", errorPath=True)
    board.call("everything__get-roots-list")
    board.client("everything").get_prompt("simple-prompt")


def test_a_session_has_its_transcript(switchboard: Switchboard, everything: str, wire_snapshot: object) -> None:
    with at_rest(switchboard(everything=everything), "everything") as board:
        a_session(board)
    assert board == wire_snapshot
    assert board.findings == ()


def test_the_same_session_twice_has_the_same_transcript(switchboard: Switchboard, local: str) -> None:
    with at_rest(switchboard(everything=local), "everything") as one:
        a_session(one)
    with at_rest(switchboard(everything=local), "everything") as other:
        a_session(other)
    assert one.transcript() == other.transcript()


@pytest.mark.anyio
async def test_calls_in_flight_together_have_the_same_transcript_on_every_event_loop(
    switchboard: Switchboard, everything: str, wire_snapshot: object
) -> None:
    async with at_rest_async(switchboard(everything=everything), "everything") as board:
        await until_async(lambda: knows_roots(board, "everything"), "the server to say that it knows the roots")
        calls = board.options(progress=unheard)
        board.user.script("decline")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(calls.call, LONG, {"duration": 0.1, "steps": 2})
            # Trio starts tasks in any order; the order of requests on one link is part of a transcript.
            await until_async(lambda: len(sent_by_host(board, "everything", "tools/call")) == 1, "the first call")
            tasks.start_soon(board.call, "everything__trigger-elicitation-request")
    assert board == wire_snapshot
    assert board.findings == ()


def test_a_board_that_is_closed_at_once_has_no_findings(switchboard: Switchboard, everything: str) -> None:
    with switchboard(everything=everything) as board:
        pass

    assert board.findings == ()


def test_roots_that_are_set_before_opening_are_what_the_server_gets(switchboard: Switchboard, local: str) -> None:
    opening = switchboard(everything=local)
    opening.roots.append("file:///srv/early")
    with opening as board:
        until(lambda: any(b"file:///srv/early" in frame.data for frame in board.log.frames), "the roots were sent")

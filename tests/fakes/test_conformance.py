"""The fixtures of the conformance suite, in both eras; that the suite itself passes is for `tests/peers`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial

import anyio
import pytest
from mcp import Client, MCPError
from mcp.client.context import ClientRequestContext
from mcp.client.subscriptions import PromptsListChanged, ResourceUpdated, ToolsListChanged
from mcp_types import (
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolResult,
    ElicitRequestParams,
    ElicitResult,
    InputRequiredResult,
    PromptReference,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)

from fake_servers import conformance
from fake_servers.conformance.content import CONTENTS, WATCHED
from fake_servers.conformance.tools import TOOLS
from pytest_mcpsym import AsyncBoard, Switchboard, link
from pytest_mcpsym.switchboard.target import Era
from pytest_mcpsym.wire.frame import Frame
from tests.fakes.over import TRANSPORTS, over

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:The sampling capability is deprecated")]


@pytest.fixture(params=TRANSPORTS)
async def board(request: pytest.FixtureRequest, switchboard: Switchboard, era: Era) -> AsyncGenerator[AsyncBoard]:
    async with switchboard(peer=over(request.param, conformance), era=era) as opened:
        yield opened


@pytest.fixture
async def here(switchboard: Switchboard, era: Era) -> AsyncGenerator[AsyncBoard]:
    async with switchboard(peer=conformance(), era=era) as opened:
        yield opened


def said(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


async def never(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    raise AssertionError(context, params)


def sent(board: AsyncBoard, method: str) -> list[Frame]:
    return [frame for frame in board.log.on("peer") if frame.direction == "to-client" and frame.message.method == method]


async def test_every_tool_is_listed_and_described(board: AsyncBoard) -> None:
    tools = await board.tools()
    assert [tool.name.removeprefix("peer__") for tool in tools] == list(TOOLS)
    assert all(tool.description for tool in tools)


async def test_a_tool_gives_back_its_kinds_of_content(here: AsyncBoard) -> None:
    tools = [tool for tool in TOOLS if tool in CONTENTS]
    assert {tool: [block.type for block in (await here.call(f"peer__{tool}")).content] for tool in tools} == {
        "test_simple_text": ["text"],
        "test_image_content": ["image"],
        "test_audio_content": ["audio"],
        "test_embedded_resource": ["resource"],
        "test_multiple_content_types": ["text", "image", "resource"],
    }


async def test_a_form_is_asked_for_by_the_means_of_the_era(board: AsyncBoard) -> None:
    board.user.script({"name": "Ada"})
    assert said(await board.call("peer__test_input_required_result_elicitation")) == "Hello, Ada!"


async def test_a_user_who_declines_is_told_of(here: AsyncBoard) -> None:
    here.user.script("decline")
    assert said(await here.call("peer__test_elicitation", message="Well?")) == "User response: action=decline, content={}"


async def test_the_model_is_asked(here: AsyncBoard) -> None:
    here.model.script("42")
    assert said(await here.call("peer__test_sampling", prompt="What is it?")) == "LLM response: 42"


async def test_an_answer_that_does_not_fit_is_asked_for_again_or_an_error_result(here: AsyncBoard, era: Era) -> None:
    here.user.script({"name": 5}, {"name": "Ada"})
    result = await here.call("peer__test_input_required_result_elicitation")
    assert said(result) == ("Hello, Ada!" if era == "modern" else "the answer does not fit the form")
    assert result.is_error == (era == "handshake")


async def test_a_state_that_was_changed_is_refused() -> None:
    async with Client(conformance(), elicitation_callback=never) as client:
        call = partial(client.session.call_tool, "test_input_required_result_tampered_state", allow_input_required=True)
        asked = await call()
        assert isinstance(asked, InputRequiredResult)
        assert asked.request_state
        with pytest.raises(MCPError) as refused:
            await call(request_state=f"{asked.request_state[:-4]}AAAA")
    assert refused.value.error.code == INVALID_PARAMS


async def test_a_client_is_not_asked_what_it_does_not_take() -> None:
    async with Client(conformance()) as client:
        with pytest.raises(MCPError, match="needs a client with elicitation") as refused:
            await client.call_tool("test_elicitation", {"message": "Well?"})
    assert refused.value.error.data == {"requiredCapabilities": {"elicitation": {}}}


async def test_each_round_remembers_the_one_before(here: AsyncBoard) -> None:
    here.user.script({"name": "Ada"}, {"color": "green"})
    assert said(await here.call("peer__test_input_required_result_multi_round")) == "Ada likes green."


async def test_three_things_are_asked_in_one_call(here: AsyncBoard) -> None:
    here.user.script({"name": "Ada"})
    here.model.script("Good day")
    result = said(await here.call("peer__test_input_required_result_multiple_inputs"))
    assert result.startswith("Ada was told 'Good day' and has ")


async def test_arguments_that_do_not_fit_are_an_error_result(here: AsyncBoard) -> None:
    result = await here.call("peer__json_schema_2020_12_tool", name="Ada", contactMethod="phone", email="a@example.org")
    assert result.is_error
    assert said(result) == "'phone' is a required property"


async def test_a_tool_that_is_not_there_is_an_error_that_names_it(here: AsyncBoard) -> None:
    with pytest.raises(MCPError, match="test_simple_txet") as refused:
        await here.client("peer").call_tool("test_simple_txet")
    assert refused.value.error.code == INVALID_PARAMS


async def test_a_template_takes_any_id(here: AsyncBoard) -> None:
    (content,) = (await here.client("peer").read_resource("test://template/seven/data")).contents
    assert isinstance(content, TextResourceContents)
    assert '"id": "seven"' in content.text


async def test_a_resource_that_is_not_there_has_the_code_of_the_era(here: AsyncBoard, era: Era) -> None:
    for uri in ("test://no-such", "test://template//data", "test://template/a/b/data", "test://template/data"):
        with pytest.raises(MCPError, match=uri) as refused:
            await here.client("peer").read_resource(uri)
        assert refused.value.error.code == (INVALID_PARAMS if era == "modern" else -32002)


async def test_a_prompt_needs_its_arguments(here: AsyncBoard) -> None:
    with pytest.raises(MCPError, match="test_prompt_with_arguments needs arg2"):
        await here.client("peer").get_prompt("test_prompt_with_arguments", {"arg1": "one"})


async def test_a_prompt_that_asks_first_is_there_in_the_modern_era(here: AsyncBoard, era: Era) -> None:
    names = [prompt.name for prompt in (await here.client("peer").list_prompts()).prompts]
    assert ("test_input_required_result_prompt" in names) == (era == "modern")


async def test_an_argument_of_a_prompt_is_completed(here: AsyncBoard) -> None:
    client = here.client("peer")
    of_prompt = PromptReference(type="ref/prompt", name="test_prompt_with_arguments")
    of_template = ResourceTemplateReference(type="ref/resource", uri="test://template/{id}/data")
    assert (await client.complete(of_prompt, {"name": "arg1", "value": "be"})).completion.values == ["beacon", "beta"]
    assert (await client.complete(of_template, {"name": "id", "value": "be"})).completion.values == []


async def test_a_client_without_sampling_is_refused_by_the_tool_that_needs_it() -> None:
    async with Client(conformance()) as client:
        with pytest.raises(MCPError) as refused:
            await client.call_tool("test_missing_capability")
    assert refused.value.error.code == MISSING_REQUIRED_CLIENT_CAPABILITY


@pytest.mark.filterwarnings("ignore:The logging capability is deprecated")
async def test_nothing_is_logged_below_the_level_that_the_client_has_set(switchboard: Switchboard) -> None:
    async with switchboard(peer=conformance(), era="handshake") as board:
        await board.call("peer__test_tool_with_logging")
        await board.client("peer").set_logging_level("warning")  # pyright: ignore[reportDeprecated] - what is to be tested
        await board.call("peer__test_tool_with_logging")
    assert len(sent(board, "notifications/message")) == 3


@pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed")
async def test_who_is_subscribed_is_told_of_an_update(switchboard: Switchboard) -> None:
    async with switchboard(peer=conformance(), era="handshake") as board:
        await board.call("peer__test_trigger_resource_update")
        await board.client("peer").subscribe_resource(WATCHED)  # pyright: ignore[reportDeprecated] - what is to be tested
        await board.call("peer__test_trigger_resource_update")
        await board.client("peer").unsubscribe_resource(WATCHED)  # pyright: ignore[reportDeprecated] - what is to be tested
        await board.call("peer__test_trigger_resource_update")
    assert len(sent(board, "notifications/resources/updated")) == 1


async def test_who_listens_is_told_of_every_change(switchboard: Switchboard) -> None:
    async with switchboard(peer=conformance(), era="modern") as board:
        with anyio.fail_after(20):
            listening = board.client("peer").listen(
                tools_list_changed=True, prompts_list_changed=True, resource_subscriptions=[WATCHED]
            )
            async with listening as changes:
                await board.call("peer__test_trigger_tool_change")
                assert isinstance(await anext(changes), ToolsListChanged)
                await board.call("peer__test_trigger_prompt_change")
                assert isinstance(await anext(changes), PromptsListChanged)
                await board.call("peer__test_trigger_resource_update")
                assert await anext(changes) == ResourceUpdated(WATCHED)


async def test_a_call_outlives_the_stream_that_breaks(switchboard: Switchboard) -> None:
    async with switchboard(peer=link(conformance(), transport="http"), era="handshake") as board:
        assert said(await board.call("peer__test_reconnection")) == "The call outlived its stream."
    assert len(sent(board, "notifications/message")) == 2
    resumed = [note for note in board.log.notes if "last-event-id" in str(note.data)]
    assert len(resumed) == 1


async def test_progress_is_reported_three_times(here: AsyncBoard) -> None:
    told: list[float] = []

    def tell(progress: float, _total: float | None, _message: str | None) -> None:
        told.append(progress)

    await here.options(progress=tell).call("peer__test_tool_with_progress")
    assert told == [0, 50, 100]

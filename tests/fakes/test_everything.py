"""The everything server answers as its README says, in both eras, in memory and over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from mcp import MCPError
from mcp_types import CallToolResult, TextContent, TextResourceContents

from fake_servers import everything
from fake_servers.everything import RESOURCES
from pytest_mcpsym import AsyncBoard, Switchboard, link
from pytest_mcpsym.switchboard.target import Era, Transport

pytestmark = pytest.mark.anyio

ERAS: tuple[Era, ...] = ("handshake", "modern")
TRANSPORTS: tuple[Transport, ...] = ("memory", "http")


@pytest.fixture
async def board(switchboard: Switchboard, era: Era, transport: Transport) -> AsyncGenerator[AsyncBoard]:
    async with switchboard(everything=link(everything(), era=era, transport=transport)) as opened:
        yield opened


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> Era:
    return request.param


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> Transport:
    return request.param


def text(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


async def read(board: AsyncBoard, number: int) -> str:
    (content,) = (await board.client("everything").read_resource(f"demo://resource/{number}")).contents
    assert isinstance(content, TextResourceContents)
    return content.text


async def test_it_says_who_it_is(board: AsyncBoard) -> None:
    info = board.client("everything").server_info
    assert info is not None
    assert (info.name, info.version) == ("everything", "1.0.0")


async def test_it_lists_its_tools_in_one_order(board: AsyncBoard) -> None:
    assert [tool.name.removeprefix("everything__") for tool in await board.tools()] == [
        "echo",
        "get-sum",
        "add",
        "trigger-long-running-operation",
        "send-log",
    ]


async def test_every_tool_and_every_parameter_of_the_reference_tools_is_described(board: AsyncBoard) -> None:
    tools = {tool.name: tool for tool in await board.tools()}
    assert all(tool.description for tool in tools.values())
    for name in ("everything__echo", "everything__get-sum"):
        assert all(schema.get("description") for schema in tools[name].input_schema["properties"].values()), name


async def test_echo_says_the_message_back(board: AsyncBoard) -> None:
    assert (
        text(await board.call("everything__echo", message="hello, wörld \N{WAVING HAND SIGN}"))
        == "Echo: hello, wörld \N{WAVING HAND SIGN}"
    )


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (2, 3, "The sum of 2 and 3 is 5."),
        (0.5, 1, "The sum of 0.5 and 1 is 1.5."),
        (1e300, 0, "The sum of 1e+300 and 0 is 1e+300."),
    ],
)
async def test_get_sum_says_numbers_without_an_empty_fraction(board: AsyncBoard, a: float, b: float, said: str) -> None:
    assert text(await board.call("everything__get-sum", a=a, b=b)) == said


async def test_add_answers_with_structured_content_that_its_output_schema_allows(board: AsyncBoard) -> None:
    result = await board.call("everything__add", a=40, b=2)
    assert result.structured_content == {"result": 42}
    (tool,) = [tool for tool in await board.tools() if tool.name == "everything__add"]
    assert tool.output_schema is not None
    assert tool.output_schema["properties"]["result"]["type"] == "integer"


@pytest.mark.parametrize("arguments", [{}, {"a": "one", "b": 2}], ids=["missing", "wrong-type"])
async def test_arguments_that_do_not_fit_are_an_error_result(board: AsyncBoard, arguments: dict[str, object]) -> None:
    assert (await board.call("everything__add", arguments)).is_error


async def test_a_tool_that_is_not_there_is_an_error_that_names_it(board: AsyncBoard) -> None:
    try:
        said = text(await board.call("everything__ecko", message="hi"))
    except MCPError as error:
        said = str(error)
    assert "ecko" in said


async def test_the_long_operation_reports_each_step(board: AsyncBoard) -> None:
    told: list[tuple[float, float | None]] = []

    def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total))

    calls = board.options(progress=tell)
    result = await calls.call("everything__trigger-long-running-operation", duration=0, steps=3)
    assert text(result) == "Long running operation completed. Duration: 0 seconds, Steps: 3."
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("arguments", [{"duration": -1}, {"steps": 0}])
async def test_the_long_operation_takes_no_impossible_length(board: AsyncBoard, arguments: dict[str, object]) -> None:
    assert (await board.call("everything__trigger-long-running-operation", arguments)).is_error


async def test_send_log_sends_one_message_to_a_client_that_asks_for_it(board: AsyncBoard, era: Era) -> None:
    meta = {"io.modelcontextprotocol/logLevel": "debug"} if era == "modern" else None
    await board.options(meta=meta).call("everything__send-log", message="disk is full", level="warning")
    (sent,) = [frame.message.params for frame in board.log.frames if frame.message.method == "notifications/message"]
    assert (sent["level"], sent["data"]) == ("warning", "disk is full")


async def test_it_lists_its_resources(board: AsyncBoard) -> None:
    listed = (await board.client("everything").list_resources()).resources
    assert [str(resource.uri) for resource in listed] == [f"demo://resource/{number}" for number in range(1, RESOURCES + 1)]


async def test_a_resource_begins_with_its_number(board: AsyncBoard) -> None:
    assert (await read(board, RESOURCES)).startswith(f"Resource {RESOURCES}: ")


async def test_a_resource_that_is_not_there_is_an_error_that_names_it(board: AsyncBoard) -> None:
    with pytest.raises(MCPError, match="demo://resource/0"):
        await read(board, 0)


async def test_a_prompt_without_arguments_is_one_message_of_the_user(board: AsyncBoard) -> None:
    (message,) = (await board.client("everything").get_prompt("simple-prompt")).messages
    assert isinstance(message.content, TextContent)
    assert (message.role, message.content.text) == ("user", "This is a simple prompt without arguments.")


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ({"city": "Oslo"}, "What's the weather in Oslo?"),
        ({"city": "Austin", "state": "Texas"}, "What's the weather in Austin, Texas?"),
    ],
)
async def test_a_prompt_takes_arguments(board: AsyncBoard, arguments: dict[str, str], asked: str) -> None:
    (message,) = (await board.client("everything").get_prompt("args-prompt", arguments)).messages
    assert isinstance(message.content, TextContent)
    assert message.content.text == asked


async def test_the_same_seed_gives_the_same_data_and_another_seed_other_data(switchboard: Switchboard) -> None:
    async with switchboard(one=everything(seed=1), same=everything(seed=1), other=everything(seed=2)) as board:
        read = [
            (await board.client(name).read_resource("demo://resource/3")).contents[0].model_dump_json()
            for name in ("one", "same", "other")
        ]
    assert read[0] == read[1] != read[2]


async def test_two_runs_leave_the_same_log(switchboard: Switchboard, era: Era, transport: Transport) -> None:
    transcripts: list[str] = []
    for _ in range(2):
        async with switchboard(everything=link(everything(), era=era, transport=transport)) as board:
            await board.call("everything__get-sum", a=1, b=2)
            await board.client("everything").read_resource("demo://resource/1")
        transcripts.append(board.transcript())
    assert transcripts[0] == transcripts[1]

"""The everything server answers as its README says, in both eras, in memory and over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from mcp import MCPError
from mcp_types import CallToolResult, TextContent, TextResourceContents

from fake_servers import everything
from fake_servers.everything.documents import DOCUMENTS
from fake_servers.everything.tools import TASK_TOOLS, TOOLS
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
    (content,) = (await board.client("everything").read_resource(f"demo://resource/dynamic/text/{number}")).contents
    assert isinstance(content, TextResourceContents)
    return content.text


async def test_it_says_who_it_is(board: AsyncBoard) -> None:
    info = board.client("everything").server_info
    assert info is not None
    assert (info.name, info.version) == ("mcp-servers/everything", "2.0.0")


async def test_it_lists_its_tools_in_one_order(board: AsyncBoard, era: Era) -> None:
    listed = [name for name in TOOLS if name not in TASK_TOOLS or (era == "handshake" and not name.endswith("-async"))]
    assert [tool.name.removeprefix("everything__") for tool in await board.tools()] == listed


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


async def test_the_weather_is_structured_content_that_its_output_schema_allows(board: AsyncBoard) -> None:
    result = await board.call("everything__get-structured-content", location="Chicago")
    assert result.structured_content == {"temperature": 36, "conditions": "Light rain / drizzle", "humidity": 82}
    (tool,) = [tool for tool in await board.tools() if tool.name == "everything__get-structured-content"]
    assert tool.output_schema is not None
    assert tool.output_schema["required"] == list(result.structured_content)


@pytest.mark.parametrize("arguments", [{}, {"a": "one", "b": 2}], ids=["missing", "wrong-type"])
async def test_arguments_that_do_not_fit_are_an_error_result(board: AsyncBoard, arguments: dict[str, object]) -> None:
    assert (await board.call("everything__get-sum", arguments)).is_error


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


async def test_a_made_up_log_message_comes_at_once_to_a_client_that_asks_for_it(board: AsyncBoard, era: Era) -> None:
    meta = {"io.modelcontextprotocol/logLevel": "debug"} if era == "modern" else None
    await board.options(meta=meta).call("everything__toggle-simulated-logging")
    await board.options(meta=meta).call("everything__echo", message="more")
    (sent,) = [frame.message.params for frame in board.log.frames if frame.message.method == "notifications/message"]
    assert sent["data"] == f"A made-up message, {sent['level']}"


async def test_it_lists_its_resources(board: AsyncBoard) -> None:
    listed = (await board.client("everything").list_resources()).resources
    assert [str(resource.uri) for resource in listed] == [f"demo://resource/static/document/{name}" for name in DOCUMENTS]


async def test_a_resource_begins_with_its_number(board: AsyncBoard) -> None:
    assert (await read(board, 12)).startswith("Resource 12: ")


async def test_a_resource_that_is_not_there_is_an_error_that_names_it(board: AsyncBoard) -> None:
    with pytest.raises(MCPError, match="demo://resource/dynamic/text/0"):
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
            (await board.client(name).read_resource("demo://resource/dynamic/text/3")).contents[0].model_dump_json()
            for name in ("one", "same", "other")
        ]
    assert read[0] == read[1] != read[2]


async def test_two_runs_leave_the_same_log(switchboard: Switchboard, era: Era, transport: Transport) -> None:
    transcripts: list[str] = []
    for _ in range(2):
        async with switchboard(everything=link(everything(), era=era, transport=transport)) as board:
            await board.call("everything__get-sum", a=1, b=2)
            await board.client("everything").read_resource("demo://resource/dynamic/text/1")
        transcripts.append(board.transcript())
    assert transcripts[0] == transcripts[1]


async def test_it_says_nothing_of_its_own_accord_unless_it_is_told_to(switchboard: Switchboard) -> None:
    said: list[list[str]] = []
    for lifecycle in (None, 0):
        async with switchboard(everything=everything(lifecycle=lifecycle)) as board:
            await board.tools()
        frames = board.log.on("everything")
        said.append(
            [frame.message.method or "" for frame in frames if frame.message.method == "notifications/tools/list_changed"]
        )
    assert [len(methods) for methods in said] == [0, 5]


async def test_tools_ask_the_client_in_both_eras(board: AsyncBoard) -> None:
    board.user.script({"name": "Ada"})
    board.user.script("decline")
    board.roots.append("file:///home/ada")
    board.model.when("sum").reply("three")
    form = await board.call("everything__trigger-elicitation-request")
    url = await board.call("everything__trigger-url-elicitation", url="https://example.com/")
    sampled = await board.call("everything__trigger-sampling-request", prompt="the sum?")
    roots = await board.call("everything__get-roots-list")
    said = [
        "\n".join(block.text for block in result.content if isinstance(block, TextContent))
        for result in (form, url, sampled, roots)
    ]
    assert "- name: Ada" in said[0]
    assert "The address https://example.com/ was not opened (decline)" in said[1]
    assert "three" in said[2]
    assert "1. without a name: file:///home/ada" in said[3]

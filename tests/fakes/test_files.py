"""The files server: the same tree as tools and as resources, in ranges, with updates to those who subscribed."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator

import anyio
import pytest
from mcp import MCPError
from mcp.client.subscriptions import ResourceUpdated
from mcp_types import BlobResourceContents, CallToolResult, TextContent, TextResourceContents

from fake_servers import files
from fake_servers.files import MOST, RANGE_KEY, Generated
from pytest_mcpsym import AsyncBoard, Switchboard, link
from pytest_mcpsym.switchboard.target import Era
from tests.fakes.over import process

pytestmark = pytest.mark.anyio

TREE = {"notes/todo.md": "one\ntwø\nthree\n", "dot.bin": b"\x00\xff", "big.log": Generated(100_000_000)}


@pytest.fixture(params=["memory", "http"])
async def board(request: pytest.FixtureRequest, switchboard: Switchboard, era: Era) -> AsyncGenerator[AsyncBoard]:
    async with switchboard(files=link(files(TREE), transport=request.param), era=era) as opened:
        yield opened


def said(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


async def call(board: AsyncBoard, tool: str, **arguments: object) -> dict[str, object]:
    result = await board.call(f"files__{tool}", arguments)
    assert result.structured_content is not None, said(result)
    return result.structured_content


async def read(board: AsyncBoard, uri: str) -> TextResourceContents | BlobResourceContents:
    (content,) = (await board.client("files").read_resource(uri)).contents
    return content


async def test_it_lists_files_with_their_sizes_both_ways(board: AsyncBoard) -> None:
    listed = await call(board, "list", folder="notes")
    assert listed == {
        "files": [{"path": "notes/todo.md", "uri": "file:///notes/todo.md", "size": 15, "mimeType": "text/markdown"}]
    }
    resources = (await board.client("files").list_resources()).resources
    assert [(str(each.uri), each.size) for each in resources] == [
        ("file:///big.log", 100_000_000),
        ("file:///dot.bin", 2),
        ("file:///notes/todo.md", 15),
    ]
    (template,) = (await board.client("files").list_resource_templates()).resource_templates
    assert template.uri_template == "file:///{+path}{?bytes,lines}"


async def test_the_tools_say_what_they_change_and_answer_with(board: AsyncBoard) -> None:
    tools = await board.tools()
    assert [tool.annotations and tool.annotations.read_only_hint for tool in tools] == [True, True, False, True]
    assert all(tool.output_schema for tool in tools)


async def test_text_is_read_as_text_and_the_rest_as_a_blob(board: AsyncBoard) -> None:
    text, blob = await read(board, "file:///notes/todo.md"), await read(board, "file:///dot.bin")
    assert isinstance(text, TextResourceContents)
    assert (text.text, text.mime_type) == ("one\ntwø\nthree\n", "text/markdown")
    assert isinstance(blob, BlobResourceContents)
    assert (base64.b64decode(blob.blob), blob.mime_type) == (b"\x00\xff", "application/octet-stream")


async def test_a_range_says_where_it_is(board: AsyncBoard) -> None:
    part = await read(board, "file:///notes/todo.md?lines=2-2")
    assert isinstance(part, TextResourceContents)
    assert (part.text, part.meta) == ("twø\n", {RANGE_KEY: {"start": 4, "end": 9, "size": 15}})


async def test_a_range_that_cuts_a_character_in_two_is_a_blob(board: AsyncBoard) -> None:
    part = await read(board, "file:///notes/todo.md?bytes=0-6")
    assert isinstance(part, BlobResourceContents)
    assert base64.b64decode(part.blob) == "one\ntwø".encode()[:7]


async def test_the_end_of_a_big_file_is_read_without_the_rest(board: AsyncBoard) -> None:
    part = await call(board, "read", path="big.log", bytes="99999990-")
    assert (part["start"], part["end"], len(str(part["text"]))) == (99_999_990, 100_000_000, 10)


async def test_what_is_written_is_read(board: AsyncBoard) -> None:
    written = await call(board, "write", path="new/a b.txt", text="hi")
    assert written == {"path": "new/a b.txt", "uri": "file:///new/a%20b.txt", "size": 2, "created": True}
    assert (await call(board, "write", path="new/a b.txt", base64="AP8="))["created"] is False
    assert await call(board, "read", path="new/a b.txt") == {
        "path": "new/a b.txt", "text": None, "base64": "AP8=", "start": 0, "end": 2, "size": 2,
    }  # fmt: skip  # one line reads as the record that it is


async def test_a_search_names_file_and_line(board: AsyncBoard) -> None:
    assert await call(board, "search", text="tw", folder="notes") == {
        "matches": [{"path": "notes/todo.md", "line": 2, "text": "twø"}],
        "more": False,
    }


async def test_a_search_goes_through_a_big_file_up_to_its_limit(switchboard: Switchboard) -> None:
    async with switchboard(files=files({"big.log": Generated(200_000)})) as board:
        found = await call(board, "search", text="0000002", limit=2)
        late = await call(board, "search", text="0000003125")
    assert found["more"]
    assert late["matches"] == [{"path": "big.log", "line": 3125, "text": Generated(200_000).read(199_936, 199_999).decode()}]


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("read", {"path": "notes/tood.md"}, "there is no file 'notes/tood.md'; did you mean 'notes/todo.md'?"),
        ("read", {"path": "../etc/passwd"}, "is no path in this tree"),
        ("read", {"path": "big.log"}, f"100000000 bytes of 'big.log' are too many at once (the most is {MOST})"),
        ("read", {"path": "dot.bin", "bytes": "9-"}, "the bytes 9- are not there: the file has 2"),
        ("list", {"folder": "nowhere"}, "there is no file 'nowhere'"),
        ("write", {"path": "a"}, "give the content as text or as base64, one of the two"),
        ("write", {"path": "a", "base64": "?"}, "the base64 cannot be read"),
        ("write", {"path": "dot.bin/a", "text": ""}, "'dot.bin' is a file"),
        ("search", {"text": ""}, "at least 1 character"),
    ],
)
async def test_what_cannot_be_is_an_error_result(board: AsyncBoard, tool: str, arguments: dict[str, object], why: str) -> None:
    result = await board.call(f"files__{tool}", arguments)
    assert result.is_error
    assert why in said(result)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("file:///nowhere.txt", "missing"),
        ("file:///%2e%2e/etc/passwd", "path"),
        ("file:///big.log", "too-large"),
        ("file:///dot.bin?bytes=2-", "range"),
        ("file:///dot.bin?page=2", "uri"),
        ("https://example.org/dot.bin", "uri"),
    ],
)
async def test_a_resource_that_cannot_be_had_is_an_error_with_its_reason(board: AsyncBoard, uri: str, reason: str) -> None:
    with pytest.raises(MCPError) as refused:
        await read(board, uri)
    assert (refused.value.error.code, refused.value.error.data) == (-32602, {"uri": uri, "reason": reason})


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
@pytest.mark.parametrize("transport", ["memory", "http"])
async def test_a_subscriber_of_the_handshake_era_is_told_until_it_unsubscribes(
    switchboard: Switchboard, transport: str
) -> None:
    target = link(files(TREE), transport="http" if transport == "http" else "memory")
    async with switchboard(files=target) as board:
        client = board.client("files")
        assert client.server_capabilities.resources is not None
        assert client.server_capabilities.resources.subscribe
        await client.session.subscribe_resource("file:///dot.bin")  # pyright: ignore[reportDeprecated] - the era has it
        await call(board, "write", path="dot.bin", text="x")
        await call(board, "write", path="other", text="x")
        await client.session.unsubscribe_resource("file:///dot.bin")  # pyright: ignore[reportDeprecated] - the era has it
        await call(board, "write", path="dot.bin", text="y")
        await client.send_ping()  # pyright: ignore[reportDeprecated] - whatever was sent before has come when it is answered
    told = [frame.message.params for frame in board.log.frames if frame.message.method == "notifications/resources/updated"]
    assert told == [{"uri": "file:///dot.bin"}]


@pytest.mark.parametrize("transport", ["memory", "http"])
async def test_a_listener_of_the_modern_era_is_told(switchboard: Switchboard, transport: str) -> None:
    target = link(files(TREE), transport="http" if transport == "http" else "memory")
    async with (
        switchboard(files=target, era="modern") as board,
        board.client("files").listen(resource_subscriptions=["file:///dot.bin"]) as changes,
    ):
        await call(board, "write", path="dot.bin", text="x")
        with anyio.fail_after(20):
            assert await anext(aiter(changes)) == ResourceUpdated(uri="file:///dot.bin")


async def test_the_same_seed_gives_the_same_tree(switchboard: Switchboard) -> None:
    async with switchboard(one=files(seed=1), same=files(seed=1), other=files(seed=2)) as board:
        texts = [(await board.call(f"{name}__read", path="data/cities.csv")).content for name in ("one", "same", "other")]
    assert texts[0] == texts[1] != texts[2]


async def test_it_serves_its_tree_on_stdio(switchboard: Switchboard, era: Era) -> None:
    target = process("files")
    async with switchboard(files=target, era=era) as board:
        part = await call(board, "read", path="logs/archive.log", lines="1500000-1500000")
    assert str(part["text"]).startswith("0001500000 ")

"""The attachments server: files by link never enter a context, and leave no trace behind."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import anyio
import pytest
from mcp import Client, MCPError
from mcp.server import MCPServer
from mcp.server.lowlevel import Server
from mcp_types import (
    CallToolResult,
    ListResourcesResult,
    ReadResourceResult,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from fake_servers import attachments, files
from fake_servers.files import RANGE_KEY, Generated
from pytest_mcpsym import AnswerTimeout, AsyncBoard, Switchboard, link
from pytest_mcpsym.switchboard.target import Era, Transport
from tests.fakes.over import process

pytestmark = pytest.mark.anyio

BIG = Generated(1_000_000, seed=7)
CITIES = "city,people\nOslo,717710\nMalmö,362133\n"
TREE = {"big.log": BIG, "cities.csv": CITIES, "dot.png": b"\x89PNG", "empty.txt": "", "odd.json": "[1]", "bad.json": "{"}


def said(result: CallToolResult) -> str:
    block = result.content[0]
    assert isinstance(block, TextContent)
    return block.text


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def call(board: AsyncBoard, tool: str, **arguments: object) -> dict[str, object]:
    result = await board.call(f"attachments__{tool}", arguments)
    assert result.structured_content is not None, said(result)
    return result.structured_content


@pytest.mark.parametrize("transport", ["memory", "http"])
async def test_a_big_file_is_worked_on_by_link(
    switchboard: Switchboard, era: Era, transport: Transport, tmp_path: Path
) -> None:
    server = link(attachments(folder=tmp_path), transport=transport)
    async with switchboard(attachments=server, files=link(files(TREE), transport=transport), era=era) as board:
        result = await board.call("attachments__word_count", uri="files+file:///big.log")
    whole = BIG.read(0, BIG.size)
    assert result.structured_content == {
        "bytes": 1_000_000,
        "lines": 15_625,
        "words": len(whole.split()),
        "sha256": hashlib.sha256(whole).hexdigest(),
    }
    summary, linked = result.content
    assert isinstance(summary, TextContent)
    assert json.loads(summary.text) == result.structured_content
    assert isinstance(linked, ResourceLink)
    assert (str(linked.uri), linked.name, linked.size) == ("files+file:///big.log", "big.log", 1_000_000)
    assert board.routes == "host > attachments > files x4"
    assert left_in(tmp_path) == []


async def test_servers_in_their_own_processes_do_the_same(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(attachments=process("attachments"), files=process("files"), era=era) as board:
        found = await call(board, "word_count", uri="files+file:///logs/server.log")
    assert found["bytes"] == 1_000_000


async def test_a_program_reads_the_file_that_was_mounted(switchboard: Switchboard, era: Era) -> None:
    program = """
total = 0
with open('/files/cities.csv') as file:
    for line in file:
        name, people = line.split(',')
        if people.strip().isdigit():
            total += int(people)
total
"""
    async with switchboard(attachments=attachments(), files=files(TREE), era=era) as board:
        assert await call(board, "analyse", uri="files+file:///cities.csv", program=program) == {"value": 1_079_843}
    assert board.routes == "host > attachments > files"


async def test_a_table_is_converted_into_a_resource_of_the_server(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(attachments=attachments(), files=files(TREE), era=era) as board:
        made = await call(board, "convert", uri="files+file:///cities.csv", to="json")
        (content,) = (await board.client("attachments").read_resource(str(made["uri"]))).contents
        listed = (await board.client("attachments").list_resources()).resources
    assert isinstance(content, TextResourceContents)
    assert json.loads(content.text) == [{"city": "Oslo", "people": "717710"}, {"city": "Malmö", "people": "362133"}]
    assert (made["uri"], made["rows"], made["data"]) == ("attachments:///1/cities.json", 2, None)
    assert [(each.uri, each.size) for each in listed] == [(made["uri"], made["bytes"])]


async def test_the_same_jobs_take_base64(switchboard: Switchboard, era: Era, tmp_path: Path) -> None:
    data = base64.b64encode(CITIES.encode()).decode()
    async with switchboard(attachments=attachments(folder=tmp_path), era=era) as board:
        counted = await call(board, "word_count_inline", data=data, name="cities.csv")
        assert (counted["lines"], counted["bytes"]) == (3, len(CITIES.encode()))
        program = "len(open('/files/cities.csv').readlines())"
        assert await call(board, "analyse_inline", data=data, name="cities.csv", program=program) == {"value": 3}
        made = await call(board, "convert_inline", data=data, name="cities.csv", to="json")
        back = await call(board, "convert_inline", data=made["data"], name="cities.json", to="csv")
    assert base64.b64decode(str(back["data"])).decode() == CITIES
    assert left_in(tmp_path) == []


async def test_what_came_by_link_did_not_enter_the_context(switchboard: Switchboard, era: Era) -> None:
    data = base64.b64encode(BIG.read(0, BIG.size)).decode()
    async with switchboard(attachments=attachments(), files=files(TREE), era=era) as board:
        await board.call("attachments__word_count", uri="files+file:///big.log")
        await board.call("attachments__word_count_inline", data=data, name="big.log")
    by_link, inline = board.context.of("host")
    assert by_link.bytes < 400
    assert inline.bytes > 1_333_336


async def test_a_server_without_ranges_is_read_at_once(switchboard: Switchboard, era: Era) -> None:
    plain = MCPServer("plain", log_level="WARNING")

    @plain.resource("demo://notes/a.txt", mime_type="text/plain")
    def notes() -> str:
        return "one\ntwo\n"

    async with switchboard(attachments=attachments(), plain=plain, era=era) as board:
        assert (await call(board, "word_count", uri="plain+demo://notes/a.txt"))["lines"] == 2
    assert [hop.target for hop in board.routes[0].children] == ["demo://notes/a.txt?bytes=0-262143", "demo://notes/a.txt"]


async def test_a_file_of_another_server_may_be_named_by_its_own_uri(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(attachments=attachments(), files=files(TREE), era=era) as board:
        assert (await call(board, "word_count", uri="file:///big.log"))["bytes"] == 1_000_000


async def test_an_empty_file_has_nothing(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(attachments=attachments(), files=files(TREE), era=era) as board:
        assert (await call(board, "word_count", uri="files+file:///empty.txt"))["words"] == 0


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("word_count", {"uri": "files+file:///nope.log"}, "cannot be read: there is no file 'nope.log'"),
        ("word_count", {"uri": "nobody+file:///big.log"}, "unknown resource 'nobody+file:///big.log"),
        ("word_count", {"uri": "files+file:///a/%2e%2e/%2e%2e/passwd"}, "leads out of its directory"),
        ("word_count", {"uri": "files+file:///"}, "names no file"),
        ("word_count", {"uri": "files+file:///dot.png"}, "dot.png is image/png, and only text has words"),
        ("convert", {"uri": "files+file:///big.log", "to": "csv"}, "big.log is text/plain, and only text/csv and"),
        ("convert", {"uri": "files+file:///cities.csv", "to": "csv"}, "cities.csv is csv already"),
        ("convert", {"uri": "files+file:///cities.csv", "to": "xml"}, "should match pattern"),
        ("convert", {"uri": "files+file:///odd.json", "to": "csv"}, "odd.json is no list of objects"),
        ("convert", {"uri": "files+file:///bad.json", "to": "csv"}, "bad.json is no JSON"),
        ("analyse", {"uri": "files+file:///big.log", "program": "1 +"}, "line 1: "),
        (
            "analyse",
            {"uri": "files+file:///big.log", "program": "open('/etc/passwd').read()"},
            "Permission denied: '/etc/passwd'",
        ),
        (
            "analyse",
            {"uri": "files+file:///big.log", "program": "open('/files/../../etc/passwd').read()"},
            "Permission denied: '/etc/passwd'",
        ),
        ("analyse", {"uri": "files+file:///big.log", "program": "open('/files/big.log', 'w').write('x')"}, "Read-only"),
        ("analyse", {"uri": "files+file:///big.log", "program": "open('/files/x')"}, "(the file is /files/big.log)"),
        ("word_count_inline", {"data": "?"}, "`data` is no base64"),
        ("word_count_inline", {"data": "", "name": "../x.txt"}, "leads out of its directory"),
        ("word_count_inline", {"data": "AA==", "name": "x.png"}, "x.png is image/png"),
        ("convert_inline", {"data": "/w==", "name": "x.csv", "to": "json"}, "says that it is text/csv, and is no UTF-8"),
    ],
)
async def test_what_cannot_be_done_is_an_error_result_and_leaves_nothing(
    switchboard: Switchboard, era: Era, tmp_path: Path, tool: str, arguments: dict[str, object], why: str
) -> None:
    async with switchboard(attachments=attachments(folder=tmp_path), files=files(TREE), era=era) as board:
        result = await board.call(f"attachments__{tool}", arguments)
    assert result.is_error
    assert why in said(result)
    assert left_in(tmp_path) == []


async def test_a_file_that_is_too_large_is_refused_after_its_first_piece(
    switchboard: Switchboard, era: Era, tmp_path: Path
) -> None:
    server = attachments(most=999_999, folder=tmp_path)
    async with switchboard(attachments=server, files=files(TREE), era=era) as board:
        result = await board.call("attachments__word_count", uri="files+file:///big.log")
        inline = await board.call("attachments__word_count_inline", data=base64.b64encode(bytes(10**6)).decode())
    assert "big.log has 1000000 bytes; the most is 999999" in said(result)
    assert "data.txt has 1000000 bytes; the most is 999999" in said(inline)
    assert board.routes == "host > (attachments > files, attachments)"
    assert left_in(tmp_path) == []


async def test_what_is_not_granted_is_an_error_result(switchboard: Switchboard, era: Era) -> None:
    server = link(attachments(), grants=["files+file:///cities.csv*"])
    async with switchboard(attachments=server, files=files(TREE), era=era) as board:
        assert (await call(board, "word_count", uri="files+file:///cities.csv"))["lines"] == 3
        result = await board.call("attachments__word_count", uri="files+file:///big.log")
    assert "is not granted to attachments" in said(result)


async def test_an_answer_that_does_not_fit_the_range_is_refused(switchboard: Switchboard, era: Era) -> None:
    async def listed(*_: object) -> ListResourcesResult:
        return ListResourcesResult(resources=[])

    async def read(*_: object) -> ReadResourceResult:
        where = {RANGE_KEY: {"start": 5, "end": 9, "size": 20}}
        return ReadResourceResult(contents=[TextResourceContents(uri="odd:///a.txt", text="text", _meta=where)])

    server = Server("odd", on_list_resources=listed, on_read_resource=read)
    async with switchboard(attachments=attachments(), odd=server, era=era) as board:
        result = await board.call("attachments__word_count", uri="odd+odd:///a.txt")
    assert "was answered with another part than was asked for" in said(result)


async def test_the_directory_is_gone_after_a_cancellation(switchboard: Switchboard, tmp_path: Path) -> None:
    server = attachments(folder=tmp_path, max_seconds=60)
    async with switchboard(attachments=server, files=files(TREE)) as board:
        with pytest.raises(AnswerTimeout):
            await board.options(timeout=3).call(
                "attachments__analyse", uri="files+file:///cities.csv", program="while True:\n    pass"
            )
        with anyio.fail_after(20):
            while left_in(tmp_path):  # noqa: ASYNC110 - nothing else tells that another task has cleaned up
                await anyio.sleep(0.01)


async def test_a_client_without_the_extension_is_told_so() -> None:
    async with Client(attachments(), mode="legacy") as client:
        with pytest.raises(MCPError, match=r"did not declare dev\.mcpsym/symmetric"):
            await client.call_tool("word_count", {"uri": "file:///a"})


async def test_only_the_newest_results_are_kept(switchboard: Switchboard) -> None:
    async with switchboard(attachments=attachments(), files=files(TREE)) as board:
        for _ in range(17):
            await board.call("attachments__convert", uri="files+file:///cities.csv", to="json")
        listed = [str(each.uri) for each in (await board.client("attachments").list_resources()).resources]
    assert len(listed) == 16
    assert "attachments:///1/cities.json" not in listed

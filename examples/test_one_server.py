"""One server on one link: tools, an error, progress, a resource and a prompt."""

# pyright: basic

import pytest
from mcp import MCPError

from fake_servers import everything


def test_a_tool_answers(switchboard):
    with switchboard(everything=everything()) as board:
        result = board.call("everything__get-sum", a=1, b=2)

    assert result.content[0].text == "The sum of 1 and 2 is 3."


def test_a_tool_that_fails_answers_with_is_error(switchboard):
    with switchboard(everything=everything()) as board:
        result = board.call("everything__get-sum", a="one", b=2)

    assert result.is_error


def test_a_long_call_reports_progress(switchboard):
    seen = []
    with switchboard(everything=everything()) as board:
        calls = board.options(timeout=5, progress=lambda *progress: seen.append(progress))
        calls.call("everything__trigger-long-running-operation", duration=0, steps=3)

    assert seen == [(1, 3, None), (2, 3, None), (3, 3, None)]


def test_the_sdks_own_client_reads_a_resource(switchboard):
    with switchboard(everything=everything(seed=1)) as board:
        (content,) = board.client("everything").read_resource("demo://resource/dynamic/text/1").contents

    assert content.text.startswith("Resource 1: ")


def test_a_resource_that_is_not_there_is_a_json_rpc_error(switchboard):
    with switchboard(everything=everything()) as board, pytest.raises(MCPError, match="demo://resource/static/none"):
        board.client("everything").read_resource("demo://resource/static/none")


def test_what_crossed_the_wire_is_in_the_log(switchboard):
    with switchboard(everything=everything()) as board:
        board.call("everything__echo", message="hi")

    (called,) = [frame for frame in board.log.on("everything") if frame.message.method == "tools/call"]
    assert called.message.params["arguments"] == {"message": "hi"}
    assert b'"message":"hi"' in called.data

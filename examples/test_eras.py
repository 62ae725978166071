"""One test in both protocol eras: `initialize` with sessions, and the per-request envelope of 2026-07-28."""

# pyright: basic

import pytest

from fake_servers import everything
from pytest_mcpsym import link


@pytest.mark.mcp(era="both")
def test_the_server_speaks_both_eras(switchboard):
    with switchboard(everything=everything()) as board:
        weather = board.call("everything__get-structured-content", location="Chicago").structured_content
        assert weather["temperature"] == 36


@pytest.mark.mcp(era="both")
@pytest.mark.parametrize("transport", ["memory", "http"])
def test_the_server_speaks_both_eras_on_each_transport(switchboard, transport):
    with switchboard(everything=link(everything(), transport=transport)) as board:
        assert board.call("everything__echo", message="hi").content[0].text == "Echo: hi"


def test_each_link_may_have_its_own_era(switchboard):
    with switchboard(old=everything(), new=everything(), era={"new": "modern"}) as board:
        assert board.client("old").protocol_version < board.client("new").protocol_version

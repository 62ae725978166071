"""A chain: an agent runs a program, which calls a tool of a third server. Every hop goes through the switchboard."""

# pyright: basic

from fake_servers import agent, code_mode, everything


def test_the_agent_reaches_echo_through_code_mode(switchboard, wire_snapshot):
    with switchboard(agent=agent(), code=code_mode(), everything=everything()) as board:
        result = board.call("agent__run", task="say hello with the echo tool")

    assert result.content[0].text == "Echo: hello"
    assert board.routes == "host > agent > code > everything"
    assert board == wire_snapshot


def test_the_structure_of_a_route(switchboard):
    with switchboard(agent=agent(), everything=everything()) as board:
        board.call("agent__run", task="get the sum of 1 and 2")

    (called,) = board.routes
    assert (called.caller, called.callee, called.target) == ("host", "agent", "run")
    (caused,) = called.children
    assert (caused.caller, caused.callee, caused.target) == ("agent", "everything", "get-sum")
    assert caused.evidence == "meta"

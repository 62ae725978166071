"""An agent thinks in numbered steps before it acts: the test says what the model says, the servers do the rest."""

# pyright: basic

from fake_servers import agent, everything, sequential_thinking


def thought(number, text):
    return {"thought": text, "thoughtNumber": number, "totalThoughts": 2, "nextThoughtNeeded": number < 2}


def test_the_agent_thinks_twice_and_then_adds(switchboard):
    with switchboard(agent=agent(), thinking=sequential_thinking(), everything=everything()) as board:
        model = board.model
        model.when("How much").calls("thinking__sequentialthinking", thought(1, "Five weeks are 35 days."))
        model.when('"thoughtNumber": 1').calls("thinking__sequentialthinking", thought(2, "So it is 35 and 7."))
        model.when('"thoughtNumber": 2').calls("everything__get-sum", {"a": 35, "b": 7})
        model.when("42").reply("It is 42 days.")
        result = board.call("agent__run", task="How much are five weeks and seven days?")

    assert result.content[0].text == "It is 42 days."
    assert [step["tool"] for step in result.structured_content["steps"]] == [
        "thinking__sequentialthinking",
        "thinking__sequentialthinking",
        "everything__get-sum",
    ]
    assert board.routes == "host > agent > (thinking x2, everything)"
    assert [request.link for request in model.requests] == ["agent"] * 4

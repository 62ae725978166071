"""The model that no test scripted plans by the words of the task alone, so the same task and tools give the same call."""

from __future__ import annotations

import pytest
from mcp_types import CreateMessageRequestParams, TextContent, Tool, ToolUseContent

from pytest_mcpsym.switchboard.planner import NoPlan, Step, next_message, plan


def tool(name: str, *required: str, **types: str) -> Tool:
    schema = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in types.items()},
        "required": list(required or types),
    }
    return Tool.model_validate({"name": name, "inputSchema": schema})


ECHO = tool("everything__echo", message="string")
ADD = tool("everything__add", a="integer", b="integer")
SUM = tool("everything__get-sum", a="number", b="number")
RUN = tool("code__run", program="string")
TOOLS = [ECHO, ADD, SUM]


@pytest.mark.parametrize(
    ("task", "step"),
    [
        ("say hello with the echo tool", Step("everything__echo", {"message": "hello"})),
        ("Use ECHO to say 'good morning'", Step("everything__echo", {"message": "good morning"})),
        ('echo "it is 5 o\'clock"', Step("everything__echo", {"message": "it is 5 o'clock"})),
        ("don't wait, echo 'hi'", Step("everything__echo", {"message": "hi"})),
        ("echo ''", Step("everything__echo", {"message": ""})),
        ("echo", Step("everything__echo", {"message": "echo"})),
        ("add 2 and 40", Step("everything__add", {"a": 2, "b": 40})),
        ("get the sum of -1.5 and 2.", Step("everything__get-sum", {"a": -1.5, "b": 2})),
        ("add 7", Step("everything__add", {"a": 7})),
        ("add 1, 2 and 3", Step("everything__add", {"a": 1, "b": 2})),
    ],
)
def test_the_task_gives_tool_and_arguments(task: str, step: Step) -> None:
    assert plan(task, TOOLS) == step


def test_words_in_quotes_name_no_tool() -> None:
    assert plan("echo 'get the sum of 1 and 2'", TOOLS) == Step("everything__echo", {"message": "get the sum of 1 and 2"})


def test_the_tool_with_the_most_words_wins() -> None:
    assert plan("get sum by add of 1 and 2", TOOLS).tool == "everything__get-sum"


def test_of_equals_the_first_wins() -> None:
    assert plan("echo or add 1 and 2", [ADD, ECHO]).tool == "everything__add"


def test_the_name_of_a_link_is_no_word_of_a_tool() -> None:
    assert plan("everything: echo 'hi'", [tool("everything__everything__x", message="string"), ECHO]).tool == "everything__echo"


def test_a_tool_without_a_link_goes_by_its_whole_name() -> None:
    assert plan("echo 'hi'", [tool("get-sum", a="number"), tool("echo", message="string")]) == Step("echo", {"message": "hi"})


def test_optional_texts_are_left_out() -> None:
    assert plan("echo 'a'", [tool("x__echo", "message", message="string", style="string")]) == Step("x__echo", {"message": "a"})


def test_quotes_fill_texts_in_the_schemas_order() -> None:
    copy = tool("files__copy", source="string", target="string")
    assert plan("copy 'a' to 'b'", [copy]).arguments == {"source": "a", "target": "b"}


def test_a_program_carries_the_call_where_one_can_be_run() -> None:
    assert plan("say hi with echo", [*TOOLS, RUN]) == Step("code__run", {"program": "everything__echo(message='hi')"})


def test_a_program_calls_the_function_of_the_tool() -> None:
    assert plan("get sum of 1 and 2", [RUN, *TOOLS]).arguments == {"program": "everything__get_sum(a=1, b=2)"}


def test_no_fitting_tool_is_refused_with_those_there_are() -> None:
    with pytest.raises(NoPlan, match=r"^no tool for 'dance'; say which one to use: everything__echo, code__run$"):
        plan("dance", [ECHO, RUN])


def test_no_tool_at_all_is_refused() -> None:
    with pytest.raises(NoPlan, match="the client offers none"):
        plan("echo 'hi'", [])


def asked(*messages: dict[str, object]) -> CreateMessageRequestParams:
    tools = [each.model_dump(by_alias=True, exclude_none=True) for each in TOOLS]
    return CreateMessageRequestParams.model_validate({"messages": messages, "maxTokens": 9, "tools": tools})


TASK: dict[str, object] = {"role": "user", "content": {"type": "text", "text": "echo 'hi'"}}
CALL: dict[str, object] = {
    "role": "assistant",
    "content": {"type": "tool_use", "id": "call-1", "name": "everything__echo", "input": {}},
}


def result(text: str) -> dict[str, object]:
    block = {"type": "tool_result", "toolUseId": "call-1", "content": [{"type": "text", "text": text}]}
    return {"role": "user", "content": [block]}


def test_the_task_is_answered_by_asking_for_the_tool() -> None:
    message = next_message(asked(TASK))
    use = ToolUseContent(type="tool_use", id="call-1", name="everything__echo", input={"message": "hi"})
    assert (message.content_as_list, message.stop_reason) == ([use], "toolUse")


def test_the_result_of_the_call_is_answered_with_its_text() -> None:
    message = next_message(asked(TASK, CALL, result("Echo: hi")))
    assert (message.content_as_list, message.stop_reason) == ([TextContent(type="text", text="Echo: hi")], "endTurn")


def test_a_second_task_of_a_conversation_has_a_call_id_of_its_own() -> None:
    (use,) = next_message(asked(TASK, CALL, result("Echo: hi"), TASK)).content_as_list
    assert isinstance(use, ToolUseContent)
    assert use.id == "call-2"


def test_of_tools_that_are_one_function_the_first_is_called_by_its_name() -> None:
    tools = [RUN, tool("x__get-sum", a="number"), tool("x__get_sum", b="number")]
    assert plan("get sum of 1", tools).arguments == {"program": "x__get_sum(a=1)"}

"""The tools and the prompt that ask their client something.

Names, keys and questions are the suite's. Pinned as `turn.py` is.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from mcp_types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    GetPromptResult,
    ListRootsRequest,
    ListRootsResult,
    PromptMessage,
    SamplingMessage,
    TextContent,
)

from .content import said
from .turn import Answer, Question, Turn

__all__ = ["ASKING", "CONTEXT_PROMPT", "prompt_with_context"]

CONTEXT_PROMPT = "test_input_required_result_prompt"
"""The prompt that asks first."""


def _object(properties: dict[str, object], *required: str) -> dict[str, object]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _text(name: str) -> dict[str, object]:
    return _object({name: {"type": "string"}}, name)


_NAME = _text("name")
_CONFIRMED = _object({"ok": {"type": "boolean"}}, "ok")

_DEFAULTS = _object(
    {
        "name": {"type": "string", "description": "A name", "default": "John Doe"},
        "age": {"type": "integer", "description": "An age", "default": 30},
        "score": {"type": "number", "description": "A score", "default": 95.5},
        "status": {"type": "string", "description": "A state", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "description": "Whether it was checked", "default": True},
    }
)


def _titled(**titles: str) -> list[dict[str, str]]:
    return [{"const": value, "title": title} for value, title in titles.items()]


_ENUMS = _object(
    {
        "untitledSingle": {"type": "string", "description": "One of three", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {
            "type": "string",
            "description": "One of three that have titles",
            "oneOf": _titled(value1="First Option", value2="Second Option", value3="Third Option"),
        },
        "legacyEnum": {
            "type": "string",
            "description": "One of three that have names beside them",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {
            "type": "array",
            "description": "Any of three",
            "items": {"type": "string", "enum": ["option1", "option2", "option3"]},
        },
        "titledMulti": {
            "type": "array",
            "description": "Any of three that have titles",
            "items": {"anyOf": _titled(value1="First Choice", value2="Second Choice", value3="Third Choice")},
        },
    }
)


def _form(message: str, schema: dict[str, object]) -> ElicitRequest:
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _model(text: str, tokens: int) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=said(text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=tokens))


async def _asked(turn: Turn, key: str, question: Question) -> Answer:
    return (await turn.ask({key: question}))[key]


def _entry(answer: Answer, name: str) -> object:
    """Return one entry of an accepted form, or what the user did instead."""
    assert isinstance(answer, ElicitResult)
    return (answer.content or {}).get(name) if answer.action == "accept" else f"({answer.action})"


def _told(answer: Answer) -> str:
    assert isinstance(answer, ElicitResult)
    return f"action={answer.action}, content={json.dumps(answer.content or {})}"


def _of_model(answer: Answer) -> str:
    assert isinstance(answer, CreateMessageResult)
    content = answer.content
    return content.text if isinstance(content, TextContent) else f"({content.type})"


def _count(answer: Answer) -> int:
    assert isinstance(answer, ListRootsResult)
    return len(answer.roots)


async def _sampling(turn: Turn) -> str:
    return f"LLM response: {_of_model(await _asked(turn, 'answer', _model(str(turn.arguments['prompt']), 100)))}"


async def _elicitation(turn: Turn) -> str:
    question = _form(str(turn.arguments["message"]), _text("response"))
    return f"User response: {_told(await _asked(turn, 'answer', question))}"


async def _defaults(turn: Turn) -> str:
    return f"Elicitation completed: {_told(await _asked(turn, 'form', _form('Please look through this form', _DEFAULTS)))}"


async def _enums(turn: Turn) -> str:
    return f"Elicitation completed: {_told(await _asked(turn, 'form', _form('Please choose', _ENUMS)))}"


async def _streaming(turn: Turn) -> str:
    return f"elicitation {_told(await _asked(turn, 'word', _form('Please say a word', _text('response'))))}"


async def _name(turn: Turn) -> str:
    return f"Hello, {_entry(await _asked(turn, 'user_name', _form('What is your name?', _NAME)), 'name')}!"


async def _capital(turn: Turn) -> str:
    return f"The model says: {_of_model(await _asked(turn, 'capital_question', _model('What is the capital of France?', 100)))}"


async def _roots(turn: Turn) -> str:
    return f"The client has {_count(await _asked(turn, 'client_roots', ListRootsRequest()))} root(s)."


async def _state(turn: Turn) -> str:
    return f"state-ok: {_told(await _asked(turn, 'confirm', _form('Please confirm', _CONFIRMED)))}"


async def _several(turn: Turn) -> str:
    answers = await turn.ask(
        {
            "user_name": _form("What is your name?", _NAME),
            "greeting": _model("Say hello", 50),
            "client_roots": ListRootsRequest(),
        }
    )
    name, greeting, roots = (answers[key] for key in ("user_name", "greeting", "client_roots"))
    return f"{_entry(name, 'name')} was told {_of_model(greeting)!r} and has {_count(roots)} root(s)."


async def _rounds(turn: Turn) -> str:
    name = _entry(await _asked(turn, "step1", _form("Step 1: What is your name?", _NAME)), "name")
    color = _entry(await _asked(turn, "step2", _form("Step 2: Which color do you like?", _text("color"))), "color")
    return f"{name} likes {color}."


async def _possible(turn: Turn) -> str:
    announced = turn.context.session.client_capabilities
    questions: dict[str, Question] = {"sample": _model("Say hello", 50), "ask": _form("What is your name?", _NAME)}
    can = {"sample": announced and announced.sampling, "ask": announced and announced.elicitation}
    asked = {key: question for key, question in questions.items() if can[key] is not None}
    if not asked:
        return "The client takes no questions."
    return f"The client was asked: {', '.join(await turn.ask(asked))}."


async def prompt_with_context(turn: Turn) -> GetPromptResult:
    """Return the prompt that asks for its context first."""
    question = _form("What shall the prompt be about?", _text("context"))
    text = f"Please keep to this: {_entry(await _asked(turn, 'user_context', question), 'context')}"
    return GetPromptResult(messages=[PromptMessage(role="user", content=said(text))])


ASKING: dict[str, Callable[[Turn], Awaitable[str]]] = {
    "test_sampling": _sampling,
    "test_elicitation": _elicitation,
    "test_elicitation_sep1034_defaults": _defaults,
    "test_elicitation_sep1330_enums": _enums,
    "test_streaming_elicitation": _streaming,
    "test_input_required_result_elicitation": _name,
    "test_input_required_result_sampling": _capital,
    "test_input_required_result_list_roots": _roots,
    "test_input_required_result_request_state": _state,
    "test_input_required_result_tampered_state": _state,
    "test_input_required_result_multiple_inputs": _several,
    "test_input_required_result_multi_round": _rounds,
    "test_input_required_result_capabilities": _possible,
}
"""What each tool does, by its name."""

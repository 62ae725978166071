"""The wire reference is what the runs say, has every method in every revision, and every message of it fits the schema."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from mcp_types import methods

from pytest_mcpsym.wire.frame import Frame
from tests.docs import wire_methods
from tests.docs.wire_fields import ERAS, Model, models_of, types
from tests.docs.wire_meanings import FIELDS
from tests.docs.wire_methods import TASK_CALL, TASK_MESSAGES, TASK_RESULTS
from tests.docs.wire_page import INDEX, METHODS, index_page, methods_page
from tests.docs.wire_runs import RUNS, Conversation, conversations
from tests.docs.wire_words import BESIDE, TOPICS

SURFACES = (
    wire_methods.CLIENT_REQUESTS,
    wire_methods.CLIENT_NOTIFICATIONS,
    wire_methods.SERVER_REQUESTS,
    wire_methods.SERVER_NOTIFICATIONS,
)


def test_the_page_of_methods_is_what_the_runs_say() -> None:
    assert METHODS.read_text(encoding="utf-8") == methods_page(), "write it anew: python -m tests.docs.wire_page"


def test_the_page_of_transports_is_what_the_runs_say() -> None:
    assert INDEX.read_text(encoding="utf-8") == index_page(), "write it anew: python -m tests.docs.wire_page"


def test_each_method_of_the_schemas_has_a_section_and_a_run_in_each_of_its_revisions() -> None:
    told = {topic.method for topic in TOPICS}
    assert told == set(RUNS)
    missing = [
        (method, revision)
        for surface in SURFACES
        for method, revision in surface
        if method not in BESIDE and (method not in RUNS or revision not in RUNS[method][1])
    ]
    assert missing == []
    assert set(BESIDE.values()) <= told


def test_each_field_has_its_meaning() -> None:
    used = {name for per in types().values() for models in per.values() for name in _names(models)}
    for surface in SURFACES:
        for method, _ in surface:
            for era in ERAS:
                for part in ("params", "result"):
                    used |= _names(models_of(method, era, "params" if part == "params" else "result"))
    assert sorted(used - set(FIELDS)) == []


def _names(models: tuple[Model, ...]) -> set[str]:
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def test_each_rule_names_a_section_of_a_revision() -> None:
    sections = [section for topic in TOPICS for _, section in topic.rules]
    assert [each for each in sections if not re.fullmatch(r"20\d\d-\d\d-\d\d(/[a-z/_-]+(#[a-z-]+)?)?", each)] == []
    assert [topic.method for topic in TOPICS if not topic.rules] == []


@pytest.fixture(scope="module", name="runs")
def runs_() -> Mapping[tuple[str, str], Conversation]:
    """All runs, once."""
    return conversations()


def test_each_message_fits_the_schema_of_its_revision(runs: Mapping[tuple[str, str], Conversation]) -> None:
    for conversation in runs.values():
        asked: dict[tuple[str, str | None], str] = {}
        for frame in conversation.frames:
            if frame.message.method is not None:
                asked[frame.direction, frame.message.id] = (
                    TASK_CALL[0] if "task" in frame.message.params else frame.message.method
                )
                _check_asked(frame, conversation.revision)
            elif frame.message.kind == "result":
                _check_result(frame, conversation.revision, asked)


def _check_asked(frame: Frame, revision: str) -> None:
    method, params = str(frame.message.method), dict(frame.message.params) or None
    from_client = frame.direction == "to-server"
    if (method, revision) in TASK_MESSAGES:
        TASK_MESSAGES[method, revision].model_validate(frame.message.value, by_name=False)
    elif frame.message.kind == "request":
        (methods.validate_client_request if from_client else methods.parse_server_request)(method, revision, params)
    else:
        (methods.validate_client_notification if from_client else methods.parse_server_notification)(method, revision, params)


def _check_result(frame: Frame, revision: str, asked: Mapping[tuple[str, str | None], str]) -> None:
    direction = "to-server" if frame.direction == "to-client" else "to-client"
    method = asked[direction, frame.message.id]
    result = dict(frame.message.result)
    if (method, revision) in TASK_RESULTS:
        TASK_RESULTS[method, revision].model_validate(result, by_name=False)
        return
    (methods.validate_server_result if frame.direction == "to-client" else methods.validate_client_result)(
        method, revision, result
    )

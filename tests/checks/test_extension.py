"""What of the symmetric extension is used though the client did not declare it."""

from __future__ import annotations

import pytest

from pytest_mcpsym.checks import Finding, run
from tests.wire.strategies import Telling

NAME = "dev.mcpsym/symmetric"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"


def undeclared(telling: Telling) -> list[Finding]:
    return [finding for finding in run(telling.log) if finding.check == "extension:undeclared"]


def initialized(telling: Telling, extensions: dict[str, object]) -> None:
    params = {"capabilities": {"extensions": extensions}}
    telling.answer(telling.request("agent", "to-server", 0, "initialize", params))


@pytest.mark.parametrize(
    ("extensions", "method", "found"),
    [
        ({}, "tools/call", True),
        ({NAME: {}}, "tools/list", True),
        ({NAME: {"resources": {}}}, "prompts/get", True),
        ({NAME: {"tools": {}}}, "tools/call", False),
        ({}, "roots/list", False),
        ({}, "sampling/createMessage", False),
    ],
)
def test_a_mirrored_request_needs_its_declaration(extensions: dict[str, object], method: str, found: bool) -> None:
    telling = Telling()
    initialized(telling, extensions)
    asked = telling.request("agent", "to-client", 1, method)
    telling.answer(asked)
    assert [finding.frames for finding in undeclared(telling)] == ([(asked.seq,)] if found else [])


@pytest.mark.parametrize(("extensions", "found"), [({}, True), ({NAME: {"tools": {}}}, False)])
def test_a_result_type_of_the_extension_needs_its_declaration(extensions: dict[str, object], found: bool) -> None:
    telling = Telling()
    asked = telling.request("agent", "to-server", 1, params={"name": "run"}, meta={CAPABILITIES: {"extensions": extensions}})
    answer = telling.answer(asked, resultType="dev.mcpsym/calls")
    assert [finding.frames for finding in undeclared(telling)] == ([(asked.seq, answer.seq)] if found else [])


def test_a_result_type_of_the_core_needs_none() -> None:
    telling = Telling()
    asked = telling.request("agent", "to-server", 1, params={"name": "run"}, meta={CAPABILITIES: {}})
    telling.answer(asked, resultType="input_required")
    assert undeclared(telling) == []


@pytest.mark.parametrize(("extensions", "found"), [({}, True), (None, True), ({"com.example/other": {}}, False)])
def test_a_result_type_of_another_extension_needs_that_the_client_declared_any(
    extensions: dict[str, object] | None, found: bool
) -> None:
    telling = Telling()
    capabilities = {} if extensions is None else {"extensions": extensions}
    asked = telling.request("agent", "to-server", 1, params={"name": "run"}, meta={CAPABILITIES: capabilities})
    telling.answer(asked, resultType="com.example/later")
    assert bool(undeclared(telling)) == found

"""What of the symmetric extension is used though the client did not declare it."""

from __future__ import annotations

import pytest

from pytest_mcpsym.checks import Finding, run
from tests.wire.strategies import Telling, raw

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


def answered(telling: Telling, capabilities: object, result: dict[str, object]) -> list[str]:
    telling.answer(telling.request("weather", "to-server", 0, "initialize", {"capabilities": capabilities}))
    telling.notify("weather", "to-server", "initialized")
    telling.call("weather", 1)
    telling.frame("weather", "to-client", raw(id=1, result=result))
    return [each.check for each in run(telling.log)]


@pytest.mark.parametrize(
    ("extensions", "kind", "found"),
    [
        ({}, "complete", False),
        ({}, "input_required", False),
        ({}, "acme.example/stream", True),
        ({"acme.example/streams": {}}, "acme.example/stream", False),
        ({"io.modelcontextprotocol/tasks": {}}, "task", False),
        ({"io.modelcontextprotocol/ui": {}}, "task", True),
    ],
)
def test_a_result_type_of_an_extension_that_the_client_did_not_declare_is_an_error(
    extensions: dict[str, object], kind: str, found: bool
) -> None:
    capabilities = {"extensions": extensions}
    assert answered(Telling(), capabilities, {"resultType": kind}) == (["extension:undeclared"] if found else [])
    telling = Telling()
    meta = {"io.modelcontextprotocol/clientCapabilities": capabilities}
    telling.answer(telling.request("weather", "to-server", 1, meta=meta), resultType=kind)
    assert [each.check for each in run(telling.log)] == (["extension:undeclared"] if found else [])


def test_a_task_that_nobody_asked_for_is_an_error() -> None:
    assert answered(Telling(), {}, {"task": {"taskId": "t"}}) == ["extension:undeclared"]


@pytest.mark.parametrize(("capabilities", "found"), [({}, True), ({"sampling": {}}, False), (None, False)])
def test_asking_a_client_for_what_it_did_not_declare_is_an_error(capabilities: object, found: bool) -> None:
    telling = Telling()
    telling.answer(telling.request("weather", "to-server", 0, "initialize", {"capabilities": capabilities}))
    telling.notify("weather", "to-server", "initialized")
    call = telling.call("weather", 1)
    telling.answer(telling.request("weather", "to-client", 1, "sampling/createMessage"))
    telling.answer(call)
    assert [each.check for each in run(telling.log)] == (["extension:capability"] if found else [])
    telling = Telling()
    meta = {"io.modelcontextprotocol/clientCapabilities": capabilities}
    required = {"k": {"method": "sampling/createMessage"}}
    telling.answer(telling.request("weather", "to-server", 1, meta=meta), resultType="input_required", inputRequests=required)
    assert [each.check for each in run(telling.log)] == (["extension:capability"] if found else [])

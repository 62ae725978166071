"""Where a question comes from, read from logs that are written by hand."""

from __future__ import annotations

import pytest

from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.origin import Origin, Origins

CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run"}}'
SAMPLE = b'{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}}'


def question(log: WireLog, link: str, data: bytes = SAMPLE) -> Origin:
    """The origin of what a server asks now."""
    asking = log.frame(link, "to-client", data)
    return Origins(log).of(asking)


def test_what_the_only_open_call_asks_is_for_that_call() -> None:
    log = WireLog()
    log.frame("a", "to-server", CALL)
    origin = question(log, "a")
    assert (origin.route, origin.evidence, origin.hops[0].target) == ("host > a", "sole", "run")


def test_the_hops_above_are_found_by_their_causes() -> None:
    log = WireLog()
    log.frame("a", "to-server", CALL)
    asked = log.frame("a", "to-client", b'{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"b__run"}}')
    log.cause(log.frame("b", "to-server", CALL), asked, "routed")
    assert question(log, "b").route == "host > a > b"


@pytest.mark.parametrize("calls", [0, 2])
def test_what_may_be_for_none_or_several_has_no_hops(calls: int) -> None:
    log = WireLog()
    for ident in range(calls):
        log.frame("a", "to-server", CALL.replace(b'"id":1', f'"id":{ident}'.encode()))
    origin = question(log, "a")
    assert (origin.route, origin.evidence, origin.hops) == ("a", "ambiguous", ())


def test_a_leg_is_for_the_call_that_it_goes_on_with() -> None:
    log = WireLog()
    leg = b'"result":{"resultType":"dev.mcpsym/calls","calls":{},"continuation":"c1"}}'
    log.frame("a", "to-server", CALL)
    log.frame("a", "to-client", b'{"jsonrpc":"2.0","id":1,' + leg)
    log.frame("a", "to-server", b'{"jsonrpc":"2.0","id":2,"method":"dev.mcpsym/continue","params":{"continuation":"c1"}}')
    origin = question(log, "a", b'{"jsonrpc":"2.0","id":2,' + leg.replace(b"c1", b"c2"))
    assert (origin.route, origin.evidence, origin.hops[0].request.seq) == ("host > a", "continuation", 0)

"""All faults at once."""

from __future__ import annotations

from contextlib import suppress

import pytest

from pytest_mcpsym import LinkError, UsageError
from pytest_mcpsym.faults import KINDS, Fault, every_fault, parse, unfit
from pytest_mcpsym.plugin import Switchboard
from tests.faults.conftest import Reached


@pytest.mark.parametrize("transport", ["memory", "stdio", "http", "mcpsym serve", "mcpsym serve over HTTP"])
def test_there_is_every_kind_that_a_transport_has_in_each_direction(transport: str) -> None:
    faults = every_fault(transport)
    assert {fault.kind for fault in faults} == {kind for kind, about in KINDS.items() if transport in about.transports}
    assert [unfit(fault, transport) for fault in faults] == [""] * len(faults)
    assert len({str(fault) for fault in faults}) == len(faults)


def test_each_is_given_the_options_that_it_takes() -> None:
    found = {fault.kind: fault for fault in every_fault("memory", "to-server", "tools/*", ends=False, seconds=0.5, times=1)}
    assert found["delay"] == parse("delay to-server tools/* seconds=0.5 times=1")
    assert found["drop"] == parse("drop to-server tools/* times=1")
    assert "exit" not in found


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (("htpt",), {}, "there is no transport 'htpt'; did you mean 'http'?; there are memory, stdio"),
        (("http", "up"), {}, "'up' is no direction; use to-server or to-client"),
        ((), {"second": 1}, "no fault has an option 'second'; there are at, bytes, chance"),
    ],
)
def test_what_there_is_not_is_refused(arguments: tuple[str, ...], options: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError) as refused:
        every_fault(*arguments, **options)
    assert str(refused.value).startswith(says)


@pytest.mark.parametrize("fault", every_fault("memory", "to-server", "tools/call", ends=False, times=1, seconds=0.01), ids=str)
def test_a_healthy_server_survives_each(switchboard: Switchboard, reached: Reached, fault: Fault) -> None:
    with switchboard(peer=reached("memory", str(fault))) as board:
        with suppress(LinkError):
            board.options(timeout=0.05).call("peer__echo", text="meets it")
        assert not board.call("peer__echo", text="goes on").is_error

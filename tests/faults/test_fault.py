"""A fault as a value: made, read from text, refused with the nearest that there is."""

from __future__ import annotations

import pytest

from pytest_mcpsym.checks import harness
from pytest_mcpsym.errors import UsageError
from pytest_mcpsym.faults import KINDS, Fault, fault, parse, unfit


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_written_as_text_and_read_back(kind: str) -> None:
    about = KINDS[kind]
    options: dict[str, object] = {
        name: 5 if option.default == 0 else option.default or (option.choices or ("x",))[0]
        for name, option in about.options.items()
    }
    made = fault(kind, about.directions[-1], "tools/*", nth=2, seed=7, **options)
    assert parse(str(made)) == made


def test_a_kind_has_a_usual_direction_and_meets_every_method() -> None:
    assert parse("drop") == Fault("drop", "to-client")
    assert parse("exit") == Fault("exit", "to-server")


def test_text_has_direction_and_method_in_this_order_and_options_in_any() -> None:
    made = parse("delay to-server tools/call times=3 seconds=0.5")
    assert (made.direction, made.method, made.number("times"), made.number("seconds")) == ("to-server", "tools/call", 3, 0.5)
    assert parse("delay seconds=0.5").method == "*"


def test_what_is_not_given_is_the_default() -> None:
    made = fault("split")
    assert (made.number("pieces"), made.number("every"), made.number("chance")) == (3, 1, 1.0)
    assert fault("redirect").text("location") == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is no fault ''; there are delay, slow, drop"),
        ("delya to-client", "there is no fault 'delya'; did you mean 'delay'?"),
        ("drop to-host", "'to-host' is no direction; use to-client or to-server"),
        ("late-progress to-server", "'to-server' is no direction of 'late-progress'; use to-client"),
        ("drop tools/call loudly=1", "the fault 'drop' has no option 'loudly'; it takes nth (only the message"),
        (
            "delay second=1",
            "the fault 'delay' has no option 'second'; did you mean 'seconds'?; it takes seconds (for how long)",
        ),
        ("delay seconds=soon", "seconds='soon' of the fault 'delay': use a number (for how long)"),
        ("split pieces=2.5", "pieces='2.5' of the fault 'split': use a whole number (how many)"),
        ("split pieces=1", "pieces='1' of the fault 'split': use 2 or more (how many)"),
        ("drop chance=1.5", "chance='1.5' of the fault 'drop': use 0 to 1 (only with this probability)"),
        ("delay seconds=nan", "use 0 or more"),
        ("status code=200", "code='200' of the fault 'status': use 400 to 599 (which)"),
        ("redirect code=200", "code='200' of the fault 'redirect': use 300 to 399 (with which status)"),
        ("drop what=reply", "what='reply' of the fault 'drop': use request or answer or notification (only requests, answers"),
        ("drop nth=2 every=3", "nth= and every= of the fault 'drop' are two ways to say which message; give one of them"),
        ("drop nth=2 nth=3", "nth= is given twice in the fault 'drop nth=2 nth=3'; give it once"),
        ("drop to-client tools/call twice", "'twice' in the fault 'drop to-client tools/call twice': write KIND [DIRECTION]"),
    ],
)
def test_what_is_no_fault_is_refused_with_what_there_is(text: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text)
    assert says in str(refused.value)


@pytest.mark.parametrize("transport", ["memory", "stdio", "http"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_table_says_which_kind_fits_which_transport(kind: str, transport: str) -> None:
    wrong = unfit(fault(kind), transport)
    assert (wrong == "") == (transport in KINDS[kind].transports and (kind, transport) != ("coalesce", "http"))
    if wrong and transport not in KINDS[kind].transports:
        where = " and ".join(each for each in KINDS[kind].transports if "serve" not in each) or "mcpsym serve"
        assert wrong.startswith(f"the fault '{kind}' is for {where}, and this link is {transport}")


def test_what_a_transport_has_in_one_direction_alone_is_refused_with_the_reason() -> None:
    assert unfit(parse("coalesce to-client"), "http") == ""
    assert unfit(parse("coalesce to-server"), "http") == (
        "the fault 'coalesce' to-server cannot be on http: each message to the server is a request of its own"
    )


def test_the_checks_know_which_faults_leave_a_message_whole_and_which_end_the_link() -> None:
    assert {kind for kind, about in KINDS.items() if about.intact} == harness._INTACT  # pyright: ignore[reportPrivateUsage]  # what this test pins
    assert {kind for kind, about in KINDS.items() if about.ends} == harness._ENDS  # pyright: ignore[reportPrivateUsage]  # what this test pins

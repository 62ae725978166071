"""Checks that data passes through a server as it came. Pinned by `tests/checks/test_payload.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.checks.wording import called
from pytest_mcpsym.wire.exchange import Exchange
from pytest_mcpsym.wire.frame import Frame

__all__ = ["PAYLOAD", "number_rounded"]

_LONG: Final = re.compile(rb"(?<![\w.])-?\d{16,40}(?![\w.])")
"""Integers that a double may not hold."""


@check(
    "payload:number-rounded",
    severity="error",
    sentence="An integer is handed on with all its digits.",
    source="https://www.rfc-editor.org/rfc/rfc8259#section-6",
)
def number_rounded(view: View) -> Iterator[Finding]:
    """Find integers that came back, or went on to another server, as the nearest double."""
    for exchange in view.correlation.exchanges:
        if exchange.response is not None:
            yield from _rounded(view, exchange, exchange.request, exchange.response)
    for parent in view.routes.walk():
        for hop in parent.children:
            if hop.via is None or hop.via is hop.exchange:
                continue
            yield from _rounded(view, hop.via, parent.exchange.request, hop.via.request)
            if hop.via.response is not None and parent.exchange.response is not None:
                yield from _rounded(view, parent.exchange, hop.via.response, parent.exchange.response)


def _rounded(view: View, exchange: Exchange, source: Frame, copy: Frame) -> Iterator[Finding]:
    """Compare what came with what was made of it."""
    for number in set(_LONG.findall(source.data)) - set(_LONG.findall(copy.data)):
        near = float(number)
        spelled = {str(int(near)).encode(), repr(near).encode()}
        if int(near) != int(number) and any(_holds(copy.data, each) for each in spelled):
            text = f"{exchange.link}: {number.decode()} became {min(spelled, key=len).decode()} in {called(exchange)}"
            yield number_rounded.finding(text, (source, copy), exchange.link, view.route(exchange))


def _holds(data: bytes, number: bytes) -> bool:
    return re.search(rb"(?<![\w.-])" + re.escape(number) + rb"(?![\w.])", data) is not None


PAYLOAD: Final = Registry((number_rounded,))
"""All checks of this family."""

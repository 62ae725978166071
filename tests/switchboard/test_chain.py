"""The chain host, agent, code mode and last server, in mixtures of era and transport of each link and of event loop.

The whole product of mixtures would be 432 chains. Every pair of values of two factors occurs in some chain of `MIXTURES`, and every
mixture of eras in memory and over HTTP.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from typing import Final

import pytest

from fake_servers import agent, code_mode, everything
from pytest_mcpsym import link
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.target import Era, LinkSpec, Transport
from tests.switchboard.servers import text

pytestmark = pytest.mark.anyio

ERAS: Final[Sequence[Era]] = ("handshake", "modern")
LOOPS: Final = ("asyncio", "trio")
CHAIN: Final = {"agent": agent, "code": code_mode, "everything": everything}
MODULES: Final = {"agent": "agent", "code": "code_mode", "everything": "everything"}

Mixture = tuple[str, ...]


def pairwise(*factors: Sequence[str]) -> Iterator[Mixture]:
    """Yield mixtures of one value of each factor, until every pair of values of two factors has occurred."""

    def pairs(mixture: Mixture) -> set[object]:
        return set(itertools.combinations(enumerate(mixture), 2))

    all_of_them = list(itertools.product(*factors))
    left = set[object]().union(*map(pairs, all_of_them))
    while left:
        best = max(all_of_them, key=lambda mixture: len(pairs(mixture) & left))
        yield best
        left -= pairs(best)


TRANSPORTS: Final[Sequence[Transport]] = ("memory", "stdio", "http")
MIXTURES: Final = [
    *pairwise(*[ERAS] * 3, *[TRANSPORTS] * 3, LOOPS),
    *(
        (*eras, *[transport] * 3, loop)
        for (eras, transport), loop in zip(
            itertools.product(itertools.product(ERAS, repeat=3), ("memory", "http")),
            itertools.cycle((*LOOPS, *reversed(LOOPS))),
        )
    ),
]


def over(name: str, era: Era, transport: Transport) -> LinkSpec:
    """A link to a server of the chain."""
    if transport == "stdio":
        return link(f"{sys.executable} -m fake_servers.{MODULES[name]}", era=era)
    return link(CHAIN[name](), transport=transport, era=era)


@pytest.mark.parametrize(
    ("eras", "transports", "anyio_backend"),
    [pytest.param(each[:3], each[3:6], each[6], id="-".join(each)) for each in dict.fromkeys(MIXTURES)],
)
async def test_a_chain_of_two_hops_is_one_route_whatever_each_link_speaks(
    switchboard: Switchboard, eras: tuple[Era, Era, Era], transports: tuple[Transport, Transport, Transport]
) -> None:
    links = {name: over(name, era, transport) for name, era, transport in zip(CHAIN, eras, transports, strict=True)}
    async with switchboard(era=None, **links) as board:
        assert text(await board.call("agent__run", task="say hello with the echo tool")) == "Echo: hello"
    assert board.routes == "host > agent > code > everything"
    evidence = {"handshake": "meta", "modern": "continuation"}
    assert [hop.evidence for hop in board.routes.walk()] == ["routed", evidence[eras[0]], evidence[eras[1]]]
    recorded = {"handshake": "routed", "modern": "continuation"}
    assert {cause.evidence for cause in board.log.causes} == {recorded[era] for era in eras[:2]}


def test_every_pair_of_values_occurs_in_a_chain() -> None:
    factors = [*[ERAS] * 3, *[TRANSPORTS] * 3, LOOPS]
    for (i, first), (j, second) in itertools.combinations(enumerate(factors), 2):
        assert {(mixture[i], mixture[j]) for mixture in MIXTURES} == set(itertools.product(first, second))

"""Tests of the fakes run on both event loops, and in both eras where they ask for one."""

import pytest

from pytest_mcpsym.switchboard.target import Era


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["handshake", "modern"])
def era(request: pytest.FixtureRequest) -> Era:
    return request.param

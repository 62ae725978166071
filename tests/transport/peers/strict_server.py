"""The fake `everything` on standard input and output, served exact."""

import anyio

from fake_servers import everything
from pytest_mcpsym.transport.strict_stdio import serve_stdio


async def main() -> None:
    server = everything(lifecycle=None)
    async with serve_stdio() as (reads, writes):
        await server.run(reads, writes, server.create_initialization_options())


anyio.run(main)

"""Judge a server of somebody else by a page of ours: `pytest --pyargs pytest_mcpsym.conformance.symmetric --mcp-server COMMAND`.

`symmetric` is what pytest collects, only if it is named. A judgement is an async function in `shared`, `carried`, `mirrored`,
`legs` or `continuations` that talks to the server over stdio in raw frames and names the sentence of docs/symmetric.md that it holds the server
to. Pinned by `tests/conformance/`. (The conformance suite of the protocol itself is another thing, and not ours.)
"""

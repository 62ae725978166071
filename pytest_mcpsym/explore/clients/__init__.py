"""A server that follows the protocol and surprises its client: what it does, how it is carried, and how a client fares with it.

`moves.py` has what a server may do of its own will, `actor.py` the server that does it, `memory.py`, `stdio.py` and `http.py` carry it to
a client, `run.py` runs the client. `surprises.py` has the Hypothesis strategies. Nothing here judges: `pytest_mcpsym.checks.client` does.
"""

"""Recording and replay: what `recorded(...)` describes, the files it is bound to, and a peer made from a recording.

The format, matching and the state machine that plays are pure and live in `pytest_mcpsym.wire`.
"""

"""What known secrets add to redaction: each value is looked for in every frame, in all the forms that it may take."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.paired import paired, spent
from benchmarks.row import Effort, Row
from benchmarks.samples import sample
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.redact import Rules, redact

__all__ = ["redaction"]

SECRETS = tuple((f"key-{number}", hashlib.sha256(str(number).encode()).hexdigest()) for number in range(20))
EVERY = 10
"""One in so many frames holds a secret, where any does."""


def redaction(effort: Effort) -> Iterator[Row]:
    """Redaction with 20 secrets against redaction with none, in a log without them and in one with them."""
    size = max(effort.frames // 10, EVERY)
    without = sample(size)
    for where, log in (("in no frame", without), (f"one in {EVERY} frames", _planted(without))):

        def cost(rules: Rules, log: WireLog = log) -> float:
            return spent(lambda: redact(log, rules), size)

        pairs = paired(lambda: cost(Rules(secrets=SECRETS)), lambda: cost(Rules()), effort.rounds)
        yield pairs.row("redaction", f"redact with {len(SECRETS)} secrets, {where}", "redact with none", "none")


def _planted(log: WireLog) -> WireLog:
    """Return the log with secrets said in some of its frames."""

    def said(index: int, frame: Frame) -> Frame:
        secret = SECRETS[index % len(SECRETS)][1].encode()
        return replace(frame, data=frame.data.replace(b"hello", b"hello " + secret)) if index % EVERY == 0 else frame

    return WireLog(said(index, entry) if isinstance(entry, Frame) else entry for index, entry in enumerate(log))

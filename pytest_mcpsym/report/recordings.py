"""What becomes of a test's recordings once its outcome is known, and what a whole run says of them.

A file is kept only after the teardown, and only if setup, call and teardown passed: written beside its place and moved there, so that
what was recorded before is never half there. A test that failed leaves `NAME.jsonl.new`, one that was skipped nothing. Pinned by
`tests/replay/test_modes.py`.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mcpsym.errors import ReplayError, VerifyError
from pytest_mcpsym.wire.recording import RecordingError

if TYPE_CHECKING:
    from pytest_mcpsym.items import ItemState
    from pytest_mcpsym.replay.tapes import Tape

__all__ = ["commit", "refuse_drift", "refuse_misses", "refuse_unplayed"]


def refuse_misses(state: ItemState) -> None:
    """Fail a test that asked for what was not recorded, however the caller took the error.

    Raises:
        ReplayError: Its text is the miss report.
    """
    missed = state.tapes.missed() if state.tapes is not None else ""
    if missed:
        raise ReplayError(missed)


def refuse_unplayed(state: ItemState) -> None:
    """Fail a test that left recorded exchanges unasked for; to be called when its boards are closed.

    Raises:
        ReplayError: It lists them.
    """
    unplayed = state.tapes.unplayed() if state.tapes is not None else ""
    if unplayed:
        assert state.tapes is not None
        state.kept.update(
            {tape.shown: "unplayed" for tape in state.tapes.opened() if tape.playback and tape.playback.remaining()}
        )
        raise ReplayError(unplayed)


def refuse_drift(state: ItemState) -> None:
    """Fail a test whose real servers do not answer as recorded; to be called when its boards are closed.

    Raises:
        VerifyError: Its text says where they part.
    """
    drifted = state.tapes.drifted() if state.tapes is not None else ""
    if drifted:
        raise VerifyError(drifted)


def commit(state: ItemState) -> str:
    """Keep what was recorded, or put it aside; return what went wrong, nothing if all went well."""
    wrong: list[str] = []
    for tape in state.tapes.opened() if state.tapes is not None else ():
        if tape.use == "played":
            state.kept.setdefault(tape.shown, "played")
        elif tape.use == "verified":
            if tape.drifts:
                state.kept[tape.shown] = "differs"
            elif not state.unclean:
                state.kept[tape.shown] = "verified"
        elif not state.skipped:
            try:
                _keep(tape, state)
            except RecordingError as error:
                wrong.append(str(error))
            except OSError as error:
                wrong.append(
                    f"{tape.shown} could not be written ({error.strerror or error}); what was recorded before is unchanged"
                )
    return "\n".join(wrong)


def _keep(tape: Tape, state: ItemState) -> None:
    content = tape.content()
    aside = tape.file.with_name(f"{tape.file.name}.new")
    if state.unclean:
        _write(aside, content)
        state.kept[f"{tape.shown}.new"] = "new"
        return
    _write(tape.file, content)
    aside.unlink(missing_ok=True)
    state.kept[tape.shown] = "re-recorded" if tape.existed else "recorded"


def _write(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(13, "the file is read-only")
    temporary = path.with_name(f".{os.getpid()}.jsonl.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)

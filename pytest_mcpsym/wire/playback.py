"""Playback: a recorded server as a state machine without input or output.

Give it what the client sends, frame by frame; it says what the recorded server answers, or why the recording has no answer. It knows
no streams, processes or clocks. A request is answered by the first recorded request that means the same, was not played yet and may be
played now:

* in order: all recorded requests that had ended before it were asked, so that a server with state never answers out of turn
* with the same `requestState` and `continuation`, unless the client's is none that was recorded
* with the same secrets: what was one secret when it was recorded is one secret now

Ids, progress tokens and what names them are rewritten to those of the client, byte for byte; progress that the client did not ask for
is left out. A `ping` that was not recorded is answered all the same. What is no message, answers nothing or was not recorded as a
notification is met with silence. Pinned by `tests/wire/test_playback.py`.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pytest_mcpsym.wire.exchange import token_text
from pytest_mcpsym.wire.frame import Frame, Message, parse
from pytest_mcpsym.wire.match import Asked, Difference, answer_differences, asked, closest, request_differences, value_text
from pytest_mcpsym.wire.miss import Miss, MissReason
from pytest_mcpsym.wire.recording import line_of
from pytest_mcpsym.wire.script import Answer, Cancel, LinkScripts, Script, Send
from pytest_mcpsym.wire.splice import Path, find, splice

__all__ = ["Outcome", "Playback", "Reply"]


@dataclass(frozen=True, slots=True)
class Reply:
    """A frame that the server sends.

    Attributes:
        data: Its bytes, with the ids and tokens of the client.
        carrier: Id, as raw JSON, of the client's request on whose HTTP response stream it goes; `None` for the link's own stream.
        recorded: The frame as recorded, with its HTTP envelope; `None` for the answer to a `ping` that was not recorded.
    """

    data: bytes
    carrier: bytes | None = None
    recorded: Frame | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows from one frame of the client.

    Attributes:
        replies: What the server sends now, in order.
        miss: Why the recording does not answer, if it does not.
        failed: Ids, as raw JSON, of the client's requests that will never be answered because of the miss.
    """

    replies: tuple[Reply, ...] = ()
    miss: Miss | None = None
    failed: tuple[bytes, ...] = ()


@dataclass(slots=True)
class _Run:
    """A script that was begun."""

    script: Script
    ident: bytes | None = None
    token: bytes | None = None
    step: int = 0
    cancelled: bool = False


@dataclass(slots=True)
class _Secrets:
    """Which placeholder of the recording stands for which secret of this run, one to one."""

    recorded: dict[str, str] = field(default_factory=dict[str, str])
    sent: dict[str, str] = field(default_factory=dict[str, str])

    def fit(self, recorded: Asked, sent: Asked) -> bool:
        trial = _Secrets(dict(self.recorded), dict(self.sent)) if recorded.placeholders else self
        return all(trial.take(one, other) for one, other in zip(recorded.placeholders, sent.placeholders, strict=True))

    def take(self, recorded: str, sent: str) -> bool:
        return self.recorded.setdefault(recorded, sent) == sent and self.sent.setdefault(sent, recorded) == recorded


_SILENCE: Final = Outcome()


class Playback:
    """Plays one recorded link once.

    Args:
        scripts: The link's scripts.
        redact: Replaces secrets in what the client sends as they were replaced in the recording, such as `Redactor(rules).data`.
    """

    def __init__(self, scripts: LinkScripts, *, redact: Callable[[bytes], bytes] = bytes) -> None:
        self._scripts = scripts
        self._redact = redact
        self._runs: dict[int, _Run] = {}
        self._by_id: dict[str, _Run] = {}
        self._pending: dict[tuple[str, str], deque[Script]] = defaultdict(deque)
        self._answers: dict[int, Answer] = {}
        self._holders: dict[str, deque[tuple[_Run, Frame]]] = defaultdict(deque)
        self._answered: set[int] = set()
        self._secrets = _Secrets()
        self._ended = 0
        self._required = scripts.required
        self._states: set[str] = set()
        for script in scripts.scripts:
            self._answers.update({step.request.seq: step for step in script.steps if isinstance(step, Answer)})
            if script.asked is not None:
                self._pending[script.kind, script.asked.key].append(script)
                self._states.update(script.asked.states.values())

    def open(self) -> tuple[Reply, ...]:
        """Open the link, and return what the server sends before the client says anything. To be called once, first."""
        return self._begin(_Run(self._scripts.scripts[0]))

    def receive(self, data: bytes, message: Message | None = None) -> Outcome:
        """Take a frame of the client; `message` is what it holds, where it was parsed before."""
        message = message or parse(data)
        match message.kind:
            case "request":
                return self._request(data, message)
            case "notification" if message.method == "notifications/cancelled":
                return Outcome(self.closed(token_text(message.params.get("requestId")) or ""))
            case "notification":
                return self._notification(data)
            case "result" | "error":
                return self._answer(data, str(message.id))
            case _:
                return _SILENCE

    def closed(self, ident: str) -> tuple[Reply, ...]:
        """Take the cancellation of a request, as the modern era says it over HTTP: its response stream was closed.

        Args:
            ident: The id that the client gave it, as JSON text with its type.
        """
        run = self._by_id.get(ident)
        if run is None:
            return ()
        run.cancelled = True
        return self._advance(run)

    def remaining(self) -> tuple[Script, ...]:
        """Return the recorded requests that nobody asked, without the optional ones."""
        return tuple(script for script in self._required if script.number not in self._runs)

    # --- requests

    def _request(self, data: bytes, message: Message) -> Outcome:
        # Almost always the id stands there as its text says.
        ident = str(message.id).encode() if str(message.id).encode() in data else find(data, ("id",)) or b"null"
        safe = self._redact(data)
        try:
            sent = asked(safe, message if safe is data else None)
        except ValueError:  # nested just too deeply to be compared
            return Outcome(miss=self._missed("unknown", str(message.method), "", None, ()), failed=(ident,))
        script, reason = self._choose(sent)
        if script is not None and reason is None:
            if script.asked is not None:
                for one, other in zip(script.asked.placeholders, sent.placeholders, strict=True):
                    self._secrets.take(one, other)
            self._pending["request", sent.key].remove(script)
            token = find(data, ("params", "_meta", "progressToken")) if message.meta.get("progressToken") is not None else None
            run = _Run(script, ident, token)
            self._by_id[str(message.id)] = run
            return Outcome(self._begin(run))
        if sent.method == "ping":
            return Outcome((Reply(b'{"jsonrpc":"2.0","id":' + ident + b',"result":{}}', ident),))
        return Outcome(miss=self._miss(sent, script, reason), failed=(ident,))

    def _choose(self, sent: Asked) -> tuple[Script | None, MissReason | None]:
        """Return the script that answers; else the first that would if it were not for the reason."""
        self._count_ended()
        refused: tuple[Script | None, MissReason | None] = (None, None)
        for script in self._pending.get(("request", sent.key), ()):
            reason = self._obstacle(script, sent)
            if reason is None:
                return script, None
            refused = refused if refused[0] is not None else (script, reason)
            if reason == "early":
                break  # what was recorded later waits for no less
        return refused

    def _obstacle(self, script: Script, sent: Asked) -> MissReason | None:
        recorded = script.asked
        assert recorded is not None, "a request means something"
        if script.after > self._ended:
            return "early"
        if any(state != recorded.states[name] and state in self._states for name, state in sent.states.items()):
            return "state"
        return None if self._secrets.fit(recorded, sent) else "secret"

    def _count_ended(self) -> None:
        """Count how many of the requests that ended were begun, up to the first that was not."""
        ended = self._scripts.ended
        while self._ended < len(ended) and ended[self._ended] in self._runs:
            self._ended += 1

    def _miss(self, sent: Asked, script: Script | None, reason: MissReason | None) -> Miss:
        if script is None or script.asked is None or reason is None:
            reason, script = self._nearest(sent)
        found: tuple[Difference, ...] = ()
        recorded = None if script is None else script.asked
        if recorded is not None:
            match reason:
                case "state":
                    found = tuple(_state_differences(recorded.states, sent.states))
                case "secret":
                    found = request_differences(recorded, sent, exact=True)
                case _:
                    found = request_differences(recorded, sent)
        line = None if script is None or script.trigger is None else line_of(script.trigger)
        return self._missed(reason, sent.label, sent.shown, line, found)

    def _nearest(self, sent: Asked) -> tuple[MissReason, Script | None]:
        requests = [script for script in self._scripts.scripts if script.kind == "request"]
        # What goes on from a recorded answer is nearest to what was recorded to go on from it.
        known = {name: state for name, state in sent.states.items() if state in self._states}
        following = [script for script in requests if script.asked is not None and known.items() <= script.asked.states.items()]
        requests = following or requests
        requests.sort(key=lambda script: script.number in self._runs)
        meanings = [script.asked for script in requests if script.asked is not None]
        index = closest(sent, meanings)
        if index is None:
            return "unknown", None
        return "played" if meanings[index].key == sent.key else "unknown", requests[index]

    def _missed(self, reason: MissReason, label: str, shown: str, line: int | None, found: tuple[Difference, ...]) -> Miss:
        left = self.remaining()
        following = left[0].asked.label if left and left[0].asked is not None else None
        return Miss(reason, label, shown, line, found, len(self._required) - len(left), len(self._required), following)

    # --- the rest of what a client sends

    def _notification(self, data: bytes) -> Outcome:
        try:
            sent = asked(self._redact(data))
        except ValueError:  # nested just too deeply to be compared
            return _SILENCE
        waiting = self._pending.get(("notification", sent.key))
        return Outcome(self._begin(_Run(waiting.popleft()))) if waiting else _SILENCE

    def _answer(self, data: bytes, ident: str) -> Outcome:
        holders = self._holders.get(ident)
        if not holders:
            return _SILENCE
        run, request = holders.popleft()
        expected = self._answers.get(request.seq)
        if expected is None:
            return _SILENCE
        found = answer_differences(expected.answer.data, self._redact(data))
        if found:
            label = f"answer to {request.message.method}"
            miss = self._missed("answer", label, "", line_of(expected.answer), found)
            return Outcome(miss=miss, failed=() if run.ident is None else (run.ident,))
        self._answered.add(request.seq)
        return Outcome(self._advance(run))

    # --- the server's side

    def _begin(self, run: _Run) -> tuple[Reply, ...]:
        self._runs[run.script.number] = run
        return self._advance(run)

    def _advance(self, run: _Run) -> tuple[Reply, ...]:
        """Go on with a script up to what it has to wait for."""
        replies: list[Reply] = []
        steps = run.script.steps
        while run.step < len(steps):
            match steps[run.step]:
                case Send() as step:
                    replies += self._sent(run, step)
                case Answer() as step:
                    if step.request.seq not in self._answered:
                        break
                case Cancel():
                    if not run.cancelled:
                        break
            run.step += 1
        return tuple(replies)

    def _sent(self, run: _Run, step: Send) -> Iterator[Reply]:
        """Yield the frame with the client's ids; nothing if it names what the client never sent."""
        edits: dict[Path, bytes | None] = {}
        for reference in step.references:
            named = self._runs.get(reference.script)
            value = None if named is None else named.ident if reference.by == "id" else named.token
            if value is None:
                return
            edits[reference.path] = value
        frame, carrier = step.frame, None if step.carrier is None else self._runs.get(step.carrier)
        if frame.message.kind == "request":
            self._holders[str(frame.message.id)].append((run, frame))
        yield Reply(splice(frame.data, edits) if edits else frame.data, None if carrier is None else carrier.ident, frame)


def _state_differences(recorded: Mapping[str, str], sent: Mapping[str, str]) -> Iterator[Difference]:
    for name, state in sent.items():
        if state != recorded[name]:
            yield Difference(("params", name), value_text(recorded[name]), value_text(state))

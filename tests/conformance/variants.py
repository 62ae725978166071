"""Copies of `plain_server` in which one thing is broken each, and the judgements that must find it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_mcpsym.conformance.symmetric import JUDGEMENTS

__all__ = ["PLAIN", "VARIANTS", "Variant"]

PLAIN: Final = Path(__file__).with_name("plain_server.py")


@dataclass(frozen=True, slots=True)
class Variant:
    """One broken server.

    Attributes:
        name: What it does wrong.
        eras: Where it matters.
        found_by: The judgements, without their eras.
        right: Text of the plain server, which occurs once.
        wrong: What stands there instead.
    """

    name: str
    eras: frozenset[str]
    found_by: frozenset[str]
    right: str
    wrong: str

    @property
    def source(self) -> str:
        """Its program."""
        plain = PLAIN.read_text(encoding="utf-8")
        assert plain.count(self.right) == 1, f"{self.name}: {self.right!r} occurs {plain.count(self.right)} times"
        return plain.replace(self.right, self.wrong)


def _variant(name: str, found_by: str, right: str, wrong: str) -> Variant:
    names = frozenset(found_by.split())
    return Variant(name, frozenset(each.era for each in JUDGEMENTS if each.name in names), names, right, wrong)


VARIANTS: Final = (
    # both eras
    _variant("reads one page", "a-list-is-read-to-its-last-page", 'if "nextCursor" not in page:', "if True:"),
    _variant(
        "drops the data of errors",
        "an-error-reaches-the-handler-with-code-message-and-data",
        'refusal.error = answer["error"]',
        'refusal.error = {**answer["error"], "data": None}',
    ),
    _variant(
        "takes a tool's error for one of the call",
        "a-result-that-is-an-error-of-the-tool-is-no-error-of-the-call",
        'if "error" in answer:',
        'if answer.get("result", {}).get("isError"):\n        raise Refusal(1, "the tool failed")\n    if "error" in answer:',
    ),
    _variant(
        "uses a member that was not declared",
        "a-member-that-was-not-declared-is-not-used",
        "elif declared is not None:",
        "elif self._declared is not None:",
    ),
    _variant(
        "gives tools to a model that takes none",
        "a-model-that-takes-no-tools-is-given-none",
        'if member == "sampling" and "tools" in params',
        'if member == "never" and "tools" in params',
    ),
    _variant(
        "answers under a number where the id is text",
        "a-request-is-answered-under-its-id",
        "send(id=ident, **answer)",
        "send(id=int(ident) if str(ident).isdigit() else ident, **answer)",
    ),
    _variant(
        "ends at a notification that it does not know",
        "what-the-client-says-of-its-lists-harms-nothing",
        'elif method == "notifications/cancelled"',
        'elif method.endswith("list_changed"):\n            os._exit(1)\n        elif method == "notifications/cancelled"',
    ),
    _variant(
        "subscribes where nobody takes it",
        "a-client-that-takes-no-subscriptions-is-sent-none",
        "if method in SUBSCRIBING and",
        'if method == "never" and',
    ),
    _variant(
        "hears no update but of what it subscribed to",
        "a-server-subscribes-and-hears-of-updates",
        'return "\\n".join(updated["uris"])',
        'return "\\n".join(uri for uri in updated["uris"] if uri == arguments["uri"])',
    ),
    # handshake
    _variant(
        "is generous",
        "a-call-is-given-no-more-than-its-cause-may-spend",
        'meta: Json = {"dev.mcpsym/cause": self._cause}',
        'meta: Json = {"dev.mcpsym/cause": self._cause, "dev.mcpsym/budget": {"tokens": 1000}}',
    ),
    _variant(
        "begins a trace of its own",
        "a-call-belongs-to-the-trace-of-its-cause",
        'meta: Json = {"dev.mcpsym/cause": self._cause}',
        'meta: Json = {"dev.mcpsym/cause": self._cause, "traceparent": f"00-{secrets.token_hex(16)}-00f067aa0ba902b7-01"}',
    ),
    _variant(
        "names its cause as text",
        "a-request-says-what-caused-it",
        '"dev.mcpsym/cause": self._cause',
        '"dev.mcpsym/cause": str(self._cause)',
    ),
    _variant(
        "names the first cause that is open",
        "each-of-two-open-handlers-names-its-own-cause",
        'meta: Json = {"dev.mcpsym/cause": self._cause}',
        "globals().setdefault('first', self._cause) if self.waiting else globals().update(first=self._cause)\n"
        "        meta: Json = {'dev.mcpsym/cause': globals()['first']}",
    ),
    _variant(
        "passes the progress token on",
        "a-progress-token-is-not-passed-on",
        '{"dev.mcpsym/cause": self._cause}',
        '{"dev.mcpsym/cause": self._cause, "progressToken": self.token}',
    ),
    _variant(
        "asks for progress under one token",
        "calls-that-are-open-have-progress-tokens-of-their-own",
        'meta["progressToken"] = ident\n            self.watching[ident] = watch',
        'meta["progressToken"] = "t"\n            self.watching["t"] = watch',
    ),
    _variant(
        "hears no progress",
        "progress-of-a-call-reaches-its-handler calls-that-are-open-have-progress-tokens-of-their-own",
        "told({",
        "len({",
    ),
    _variant(
        "does not say that it gives up",
        "a-call-that-nobody-waits-for-is-cancelled a-cancelled-handler-gives-up-what-it-asked-for",
        'send(method="notifications/cancelled", params={"requestId": ident, "reason": "nobody waits any more"})',
        "pass",
    ),
    # modern
    _variant("does not advertise", "the-extension-is-advertised", '"extensions": {EXTENSION: {}}', '"extensions": {}'),
    _variant(
        "asks for one thing a leg",
        "calls-side-by-side-join-one-leg",
        "calls, self.posted = self.posted, {}",
        "first = next(iter(self.posted), None)\n        calls = {} if first is None else {first: self.posted.pop(first)}",
    ),
    _variant(
        "asks under an empty key",
        "a-leg-has-calls-and-a-continuation",
        'key = f"c{self.minted}"',
        'key = f"c{self.minted}"[: self.minted - 1]',
    ),
    _variant(
        "wants all answers at once",
        "a-part-of-the-calls-may-be-answered",
        "wrong = [",
        "wrong = sorted(self.open.keys() - responses.keys()) if responses.keys() < self.open.keys() else [",
    ),
    _variant(
        "hands its envelope on",
        "a-call-does-not-carry-what-belongs-to-its-cause",
        'self.posted[key] = {"method": method, "params": params}',
        'meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}\n'
        '        self.posted[key] = {"method": method, "params": {**params, "_meta": meta}}',
    ),
    _variant(
        "takes an error without a message",
        "an-answer-is-a-result-or-an-error",
        '{"error": {"code": int(), "message": str()}}',
        '{"error": {"code": int()}}',
    ),
    _variant(
        "forgets a call that was given up",
        "the-answer-to-a-call-that-was-given-up-is-taken",
        "if key not in self.open or not",
        "if key not in self.open or self.open[key].done() or not",
    ),
    _variant(
        "calls the last leg nothing",
        "the-last-leg-is-complete",
        '{"resultType": "complete", **legs.task.result()}',
        "legs.task.result()",
    ),
    _variant(
        "reports under the first token",
        "progress-has-the-token-of-the-leg-that-is-open",
        "self.token, self.parked = token, False",
        "self.parked = False",
    ),
    _variant(
        "lets a handler run on when its leg was cancelled",
        "cancelling-the-first-leg-cancels-the-handler cancelling-a-later-leg-cancels-the-handler",
        "self.task.cancel()\n            raise",
        "raise",
    ),
    _variant(
        "reads half a continuation",
        "a-forged-continuation-is-refused",
        "if continuation not in self.parked:",
        "continuation = next((each for each in self.parked if continuation and each[:9] == continuation[:9]), continuation)\n"
        "        if continuation not in self.parked:",
    ),
    _variant(
        "says that what was used has expired",
        "a-continuation-is-good-for-one-use what-cannot-be-continued-cannot-be-cancelled",
        'self.use_up(params["continuation"], "replayed")\n                return',
        'self.use_up(params["continuation"], "expired")\n                return',
    ),
    _variant("keeps a handler for ever", "a-continuation-is-good-for-a-time", "call_later(TIME_TO_LIVE", "call_later(300"),
    _variant("cancels nothing", "a-continuation-can-be-cancelled", "self.end(legs)\n                return", "return"),
    _variant(
        "uses a continuation up before it looks at the answers",
        "an-answer-to-no-call-is-refused an-answer-is-a-result-or-an-error",
        'legs.check(params["responses"])\n                self.use_up(params["continuation"], "replayed")',
        'self.use_up(params["continuation"], "replayed")\n                legs.check(params["responses"])',
    ),
    _variant("takes any answer", "an-answer-is-a-result-or-an-error", "or not well_formed(answer)", ""),
    _variant(
        "continues for a client that did not declare",
        "continuing-needs-the-declaration",
        'Client(None, modern=True).need("tools/call", {})',
        "pass",
    ),
)

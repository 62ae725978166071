"""Write `docs/wire.md` and `docs/wire-methods.md`, the wire reference, from real runs: `python -m tests.docs.wire_page`.

Pinned by `tests/docs/test_wire_page.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from mcp_types.methods import CLIENT_RESULTS, INPUT_REQUIRED_METHODS, SERVER_RESULTS

from pytest_mcpsym.wire.frame import Frame
from tests.docs import wire_methods as methods
from tests.docs.wire_fields import ERAS, models_of, table, types
from tests.docs.wire_http import Shown, http_runs
from tests.docs.wire_methods import TASK_CALL
from tests.docs.wire_runs import HANDSHAKE, MODERN, REVISIONS, Conversation, conversations
from tests.docs.wire_words import BESIDE, TOPICS, Topic

__all__ = ["INDEX", "METHODS", "index_page", "methods_page"]

_DOCS: Final = Path(__file__).parents[2] / "docs"
INDEX: Final = _DOCS / "wire.md"
METHODS: Final = _DOCS / "wire-methods.md"

_SPEC: Final = "https://modelcontextprotocol.io/specification/"
_WIDTH: Final = 116
_TEXT: Final = 90
_ENVELOPE: Final = "io.modelcontextprotocol/protocolVersion"

Runs = Mapping[tuple[str, str], Conversation]

_HEAD: Final = """# The wire: index and transports

What MCP looks like in bytes, for those who write a client or a server without an SDK. Every message on these pages crossed a wire: the
pages are written by `python -m tests.docs.wire_page` from runs of [`everything`](fakes.md), and CI fails when they differ. The order of
members, the ids and what is said in words are this server's; what is *normative* is said so, with the section of the specification that
says it, and what is merely *typical* stands apart. [Clients without an SDK](raw-clients.md) says how to write one with this.

`→` goes to the server, `←` to the client. `…` stands for what was left out.

## Methods and revisions

"""

_STDIO: Final = """
## stdio

* One message per line, in UTF-8, without a newline inside; the line ends with `\\n`. Nothing else may be on standard output
  ([stdio](https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#stdio): MUST). Standard error is for logs.
* Typical: a server takes `\\r\\n` too, ignores empty lines, and ends when its input ends. Close the input, wait, SIGTERM, wait, SIGKILL
  ([shutdown](https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#shutdown): SHOULD).
* U+2028, U+2029 and U+0085 are no line ends here, whatever your language's `splitlines` says.

## What is no message

JSON that is broken is answered so by every fake of `mcpsym serve`, on each transport alike. JSON-RPC
([error object](https://www.jsonrpc.org/specification#error_object)) has the codes; over HTTP the status is 400 with the error as its body.
Many servers, those of the SDKs among them, say nothing on stdio: wait with a deadline.

| what is sent | code | id of the error |
|---|---|---|
| no JSON, no UTF-8, a byte order mark, `NaN` | -32700 | `null` |
| a lone surrogate, a number beyond a double such as `1e400`, more than 200 levels | -32700 | `null` |
| JSON that is no request: an array, a text, no `jsonrpc`, a method that is no text | -32600 | the request's where it is a text or an integer, else `null` |
| an id that is `null`, `true`, `1.5`, an array or an object | -32600 | `null` |
| `params` that are `null` or a text | -32600 | the request's |
| `params` that are an array | -32602 | the request's |
| a method that is not there | -32601 | the request's |
| parameters of the wrong shape | -32602 | the request's |
| a broken answer, a broken notification | nothing; over HTTP 400 | |

Batches exist in revision 2025-03-26 alone; no server here takes them (-32600). Where a name stands twice in an object, the last one counts.
`pytest_mcpsym.wire.corpus.corpus()` holds 104 such messages as data, each with what it is owed, for your own server.

## Streamable HTTP

One endpoint. Each message of the client is a POST of its own; the answer is JSON, or a stream of events of which the last is the answer.
Headers that any HTTP client sends are left out.
"""

_HTTP_RULES: Final = """
Normative ([transports](https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http)):

* `Accept` MUST name `application/json` and `text/event-stream`; a client MUST take both kinds of answer.
* A notification or an answer that is taken is 202 without a body.
* `MCP-Session-Id`, once given, MUST go with every later request; 404 means that the session is over and that the client MUST initialize
  anew; a DELETE ends it. `MCP-Protocol-Version` MUST go with everything after the handshake (since 2025-06-18).
* A stream that breaks before its answer does not cancel the request: a GET with `Last-Event-ID` resumes it.
* Servers MUST check `Origin`.
* In the modern era there are no sessions, no GET and no DELETE. `MCP-Protocol-Version` and `Mcp-Method` (and `Mcp-Name` where the method
  names something) MUST repeat what the body says; closing the response cancels the request.

Revision 2024-11-05 has another transport, [HTTP with SSE](https://modelcontextprotocol.io/specification/2024-11-05/basic/transports): a GET
opens the one stream of all answers, whose first event, `endpoint`, names the address to POST to. `mcpsym serve everything --sse 8000`
serves it.

Typical: a stream begins with an event without data that only has an id; a server that keeps no events gives none; comments (`: ping`) keep a
stream open. An event may have several `data:` lines, which are joined with newlines.
"""

_METHODS_HEAD: Final = """# The wire: methods

One section per method: what is normative about it, the messages in order in the last revision of each [era](log.md), what older revisions
do otherwise, and the fields. See [index and transports](wire.md) for how to read this. Ids of tasks are shown as `task-1` and so on, and
times as one time, since no two runs share them.

## The envelope

Every message has `"jsonrpc":"2.0"`. A request has an `id`, a text or an integer that its sender has not used before on this connection; the
answer repeats it, with its type. Each side counts its own ids: a server's request may have the id of one of yours.

Ignore members that you do not know: servers send what newer revisions have to older clients too, as this one and the reference do. The
tables say *since* which revision a field exists.

In the modern era every request carries in its `_meta` what the handshake said before, shown below as `"_meta":{envelope}`:

```text
"""


def index_page() -> str:
    """Return the page with index and transports."""
    return "".join(_index())


def methods_page() -> str:
    """Return the page with the methods."""
    return "".join(_methods(conversations()))


def _index() -> Iterator[str]:
    yield _HEAD
    yield f"| method | sent by | {' | '.join(REVISIONS)} |\n|---|---|{'---|' * len(REVISIONS)}\n"
    for method in sorted(_known()):
        speakers = _known()[method]
        sender = " and ".join(dict.fromkeys(who for who, _ in speakers))
        cells = " | ".join(_cell(method, each, speakers) for each in REVISIONS)
        yield f"| [`{method}`](wire-methods.md#{_anchor(BESIDE.get(method, method))}) | {sender} | {cells} |\n"
    yield "\nTasks are an experiment of revision 2025-11-25: see [`tools/call` as a task](wire-methods.md#toolscall-task). "
    yield "The modern era has no requests of servers: what was one is an *input* that a result asks for.\n"
    yield _STDIO
    runs = http_runs()
    for shown in runs:
        yield _http(shown)
    yield _HTTP_RULES


def _cell(method: str, revision: str, speakers: Sequence[tuple[str, str]]) -> str:
    if any(revision == each for _, each in speakers):
        return "yes"
    return "input" if revision == MODERN and (method, HANDSHAKE[-1]) in CLIENT_RESULTS and method != "ping" else "-"


def _known() -> dict[str, list[tuple[str, str]]]:
    """Return who sends each method in which revision."""
    found: dict[str, list[tuple[str, str]]] = {}
    for who, surface in (
        ("client", methods.CLIENT_REQUESTS),
        ("client", methods.CLIENT_NOTIFICATIONS),
        ("server", methods.SERVER_REQUESTS),
        ("server", methods.SERVER_NOTIFICATIONS),
    ):
        for method, revision in surface:
            found.setdefault(method, []).append((who, revision))
    return found


def _http(shown: Shown) -> str:
    return f"\n### {shown.title}\n\n{shown.about}\n\n```text\n{shown.text}```\n"


def _methods(runs: Runs) -> Iterator[str]:
    yield _METHODS_HEAD
    discover = runs["server/discover", MODERN].frames[0].message.value
    envelope = cast("dict[str, dict[str, object]]", discover)["params"]["_meta"]
    yield "\n".join(_pretty(envelope, 0)) + "\n```\n"
    for topic in TOPICS:
        yield from _section(topic, runs)
    yield "\n## Types\n"
    for name, per in types().items():
        yield f"\n### {name}\n\n{table(per)}"


def _section(topic: Topic, runs: Runs) -> Iterator[str]:
    method = topic.method.partition(" ")[0]
    revisions = [revision for revision in REVISIONS if (topic.method, revision) in runs]
    yield f"\n## {topic.method}\n\n{topic.about} Sent by the {topic.sender.replace('either', 'client or the server')}.\n\nNormative:\n\n"
    for rule, section in topic.rules:
        yield f"* {rule} ([{_source(section)}]({_SPEC}{section}))\n"
    if topic.typical:
        yield f"\nTypical: {topic.typical}\n"
    for era in ERAS:
        if (topic.method, era) in runs:
            yield f"\n**{era}**\n\n```text\n{_talk(runs[topic.method, era].frames, whole=topic.method == 'server/discover')}```\n"
        else:
            yield f"\n**{era}** does not have it.\n"
    yield from _older(topic.method, revisions, runs)
    for part, title in (("params", "`params`"), ("result", "`result`")):
        shown = [era for era in ERAS if (topic.method, era) in runs]
        kind = topic.method if (topic.method, part) == (TASK_CALL[0], "result") else method
        found = {era: models_of(kind, era, "params" if part == "params" else "result") for era in shown}
        if rows := table(found):
            yield f"\n{title}:\n\n{rows}"
    if (topic.method, MODERN) in runs and (method, MODERN) in SERVER_RESULTS and method in INPUT_REQUIRED_METHODS:
        yield "\nIn 2026-07-28 the result may be an [InputRequiredResult](#inputrequiredresult).\n"


def _source(section: str) -> str:
    revision, _, rest = section.partition("/")
    return f"{revision}, {rest}" if rest else revision


def _older(topic: str, revisions: Sequence[str], runs: Runs) -> Iterator[str]:
    """Say what older revisions of the handshake era do otherwise."""
    newest = HANDSHAKE[-1]
    if newest not in revisions:
        return
    for revision in [each for each in HANDSHAKE[:-1] if each in revisions]:
        differences = _differences(runs[topic, revision].frames, runs[topic, newest].frames)
        if differences:
            yield f"\n{revision}: " + "; ".join(differences) + ".\n"
    same = [each for each in HANDSHAKE[:-1] if each in revisions and runs[topic, each].frames]
    same = [each for each in same if not _differences(runs[topic, each].frames, runs[topic, newest].frames)]
    if same:
        yield f"\nThe same in {', '.join(same)}.\n"
    missing = [each for each in HANDSHAKE[:-1] if each not in revisions]
    if missing:
        yield f"\nNot in {', '.join(missing)}.\n"


def _differences(old: Sequence[Frame], new: Sequence[Frame]) -> list[str]:
    if len(old) != len(new):
        return [f"{len(old)} messages and not {len(new)}"]
    found: dict[str, None] = {}
    for mine, its in zip(old, new, strict=True):
        for each in _paths(mine.message.value, its.message.value, ""):
            found[each] = None
    return list(found)


def _paths(old: object, new: object, path: str) -> Iterator[str]:
    """Yield how an old message differs from a new one, by path; what is said in words and the version itself are no difference."""
    if isinstance(old, dict) and isinstance(new, dict):
        mine, its = cast("dict[str, object]", old), cast("dict[str, object]", new)
        for key in {**its, **mine}:
            here = f"{path}.{key}".lstrip(".")
            if key not in mine:
                yield f"no `{here}`"
            elif key not in its:
                yield f"`{here}` too"
            else:
                yield from _paths(mine[key], its[key], here)
    elif isinstance(old, list) and isinstance(new, list):
        left, right = cast("list[object]", old), cast("list[object]", new)
        if len(left) != len(right):
            yield f"{len(left)} and not {len(right)} in `{path}`"
        else:
            for a, b in zip(left, right, strict=True):
                yield from _paths(a, b, f"{path}[]")
    elif old != new and not path.endswith(("protocolVersion", "text")):
        yield f"`{path}` is `{json.dumps(old)}`"


def _talk(frames: Sequence[Frame], *, whole: bool) -> str:
    lines: list[str] = []
    ids: dict[str, str] = {}
    for frame in frames:
        mark = "→ " if frame.direction == "to-server" else "← "
        value = _steady(frame.message.value, ids)
        shown = _pretty(value if whole else _without_envelope(value), 2)
        lines += [(mark if number == 0 else "  ") + line for number, line in enumerate(shown)]
    return "\n".join(lines) + "\n"


_TASK_ID: Final = re.compile(r"\b[0-9a-f]{32}\b")
_TIME: Final = re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def _steady(value: object, ids: dict[str, str]) -> object:
    """Return a message with what no two runs share made the same: the ids of tasks, by the order in which they come, and times."""
    text = _TASK_ID.sub(lambda found: ids.setdefault(found[0], f"task-{len(ids) + 1}"), json.dumps(value))
    return cast("object", json.loads(_TIME.sub("2025-11-25T12:00:00.000Z", text)))


_MADE_UP: Final = ("Resource 1: ", "UmVzb3VyY2UgMTog")
"""How texts begin that go on as the release of Faker has it, the second one in base64."""

_MARK: Final = "{envelope}"


def _without_envelope(value: object) -> object:
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        if _ENVELOPE in members:
            rest = {key: each for key, each in members.items() if not key.startswith("io.modelcontextprotocol/")}
            return {**rest, "…": _MARK} if rest else _MARK
        return {key: _without_envelope(each) for key, each in members.items()}
    return value


def _pretty(value: object, indent: int) -> list[str]:
    """Return JSON over as few lines as fit: short things on one line, long lists by their first item."""
    line = _one_line(value)
    if len(line) + indent <= _WIDTH:
        return [line]
    inner: list[str] = []
    if isinstance(value, dict):
        for key, each in cast("dict[str, object]", value).items():
            first, *rest = _pretty(each, indent + len(key) + 6)
            inner += [f"  {json.dumps(key, ensure_ascii=False)}: {first}", *("  " + line for line in rest)]
            inner[-1] += ","
        inner[-1] = inner[-1].removesuffix(",")
        return ["{", *inner, "}"]
    if isinstance(value, list):
        items = cast("list[object]", value)
        inner = ["  " + line for line in _pretty(items[0], indent + 2)]
        more = [f"  … {len(items) - 1} more"] if len(items) > 1 else []
        return ["[", *inner, *more, "]"]
    return [line]


def _one_line(value: object) -> str:
    if value == _MARK:
        return _MARK
    if isinstance(value, str):
        most = next((len(begin) for begin in _MADE_UP if value.startswith(begin)), _TEXT)
        return json.dumps(value if len(value) <= most else value[:most] + "…", ensure_ascii=False)
    if isinstance(value, dict):
        members = cast("dict[str, object]", value).items()
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_one_line(each)}" for key, each in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_one_line, cast("list[object]", value))) + "]"
    return json.dumps(value)


def _anchor(method: str) -> str:
    return "".join(each for each in method.lower().replace(" ", "-") if each.isalnum() or each in "-_")


if __name__ == "__main__":
    INDEX.write_text(index_page(), encoding="utf-8")
    METHODS.write_text(methods_page(), encoding="utf-8")

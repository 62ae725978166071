"""What the wire reference says in words: what each method is for, what is normative about it and what merely typical.

The rules are those of the specification, said shortly; each has its section. `tests/docs/test_wire_page.py` pins that there is a word
for each method.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["BESIDE", "TOPICS", "Topic"]

_OLD: Final = "2025-11-25/"
_NEW: Final = "2026-07-28"
_TASKS: Final = f"{_OLD}basic/utilities/tasks#"


@dataclass(frozen=True, slots=True)
class Topic:
    """One section of the reference.

    Attributes:
        method: The method, as in the run that it shows.
        sender: Who sends it.
        about: What it is for.
        rules: What is normative, each with its section.
        typical: What this server or most servers do and no rule asks for.
    """

    method: str
    sender: str
    about: str
    rules: tuple[tuple[str, str], ...]
    typical: str = ""


TOPICS: Final = (
    Topic(
        "initialize",
        "client",
        "Opens a connection of the handshake era: both sides say which revision they speak and what they can do.",
        (
            ("It MUST be the first message of the client, and not part of a batch.", f"{_OLD}basic/lifecycle#initialization"),
            (
                (
                    "The server MUST answer with the asked-for revision if it speaks it, else with another one that it speaks, which SHOULD be its "
                    "latest; a client that does not speak that one SHOULD disconnect."
                ),
                f"{_OLD}basic/lifecycle#version-negotiation",
            ),
            (
                (
                    "After the answer the client MUST send `notifications/initialized`. Before it the client SHOULD send nothing but pings; the "
                    "server nothing but pings and log messages."
                ),
                f"{_OLD}basic/lifecycle#initialization",
            ),
            ("Both sides MUST use only capabilities that were negotiated.", f"{_OLD}basic/lifecycle#operation"),
        ),
        "Servers often say more at once after `notifications/initialized`: `list_changed` notifications, or a `roots/list` request.",
    ),
    Topic(
        "server/discover",
        "client",
        "Asks what a server of the modern era speaks and can do. There is no handshake: any request may be the first one.",
        (
            (
                "Each request MUST carry the envelope in `params._meta`: protocol version, client capabilities, client info.",
                f"{_NEW}/basic/versioning",
            ),
            (
                "A server that does not speak the version of a request answers with error -32022, which names those that it speaks.",
                f"{_NEW}/basic/versioning",
            ),
        ),
        "A client that speaks both eras asks this first and falls back to `initialize` on an error of any other kind.",
    ),
    Topic(
        "ping",
        "either",
        "Asks whether the other side is still there. It is gone in the modern era.",
        (("The receiver MUST answer promptly, with an empty result.", f"{_OLD}basic/utilities/ping#behavior-requirements"),),
        "A server that pings a client uses ids of its own, which may be the same as those of the client's requests.",
    ),
    Topic(
        "tools/list",
        "client",
        "Lists the tools, page by page.",
        (
            ("The server MUST have declared the capability `tools`.", f"{_OLD}server/tools#capabilities"),
            (
                "A client MUST NOT make cursors up or take them apart; a missing `nextCursor` is the end.",
                f"{_OLD}server/utilities/pagination#implementation-guidelines",
            ),
        ),
        "This server answers in one page. Which tools it lists depends on the client's capabilities.",
    ),
    Topic(
        "tools/call",
        "client",
        "Calls one tool: a text, a structured result, arguments that do not fit, and a tool that is not there.",
        (
            (
                "An error of the tool itself SHOULD be a result with `isError`, so that a model sees it; an unknown tool is a JSON-RPC error.",
                f"{_OLD}server/tools#error-handling",
            ),
            (
                "Where the tool has an `outputSchema`, the server MUST give a `structuredContent` that fits it.",
                f"{_OLD}server/tools#output-schema",
            ),
            (
                "A tool with structured content SHOULD repeat it as JSON text in a content block.",
                f"{_OLD}server/tools#structured-content",
            ),
            (
                (
                    "In the modern era the answer may be `input_required`: the client asks again, with `inputResponses` and the `requestState` "
                    "as it came."
                ),
                _NEW,
            ),
        ),
        "Members whose value is the default, such as `isError: false`, are left out by some servers and written by others.",
    ),
    Topic(
        "resources/list",
        "client",
        "Lists the resources, page by page.",
        (("The server MUST have declared the capability `resources`.", f"{_OLD}server/resources#capabilities"),),
    ),
    Topic(
        "resources/templates/list",
        "client",
        "Lists the templates of resource addresses, page by page.",
        (("Templates are RFC 6570 URI templates.", f"{_OLD}server/resources#resource-templates"),),
    ),
    Topic(
        "resources/read",
        "client",
        "Reads a resource: a text, a blob, and one that is not there.",
        (
            ("Binary data MUST be base64.", f"{_OLD}server/resources#security-considerations"),
            (
                "A resource that is not there SHOULD be error -32002 up to 2025-11-25, and is -32602 since.",
                f"{_OLD}server/resources#error-handling",
            ),
        ),
        "One read may return several contents. The reference server answers -32602 in the handshake era too.",
    ),
    Topic(
        "resources/subscribe",
        "client",
        "Asks to be told when a resource changes. The run then makes the server say so.",
        (("The server MUST have declared `resources.subscribe`.", f"{_OLD}server/resources#subscriptions"),),
        "The log message and the update before the answer are this server's: a client must expect notifications at any time.",
    ),
    Topic(
        "resources/unsubscribe",
        "client",
        "Ends a subscription.",
        (("The server MUST have declared `resources.subscribe`.", f"{_OLD}server/resources#subscriptions"),),
    ),
    Topic(
        "subscriptions/listen",
        "client",
        "Opens the modern era's one stream of change notifications; it has no answer until it ends.",
        (
            ("The server acknowledges first, with what it will really send.", _NEW),
            (
                "Every notification of the stream carries the id of the request as `io.modelcontextprotocol/subscriptionId`.",
                _NEW,
            ),
            ("The client ends it by closing the stream over HTTP, and by `notifications/cancelled` on stdio.", _NEW),
        ),
        "This run is with a small server of the SDK, because a resource of it changes.",
    ),
    Topic(
        "prompts/list",
        "client",
        "Lists the prompts, page by page.",
        (("The server MUST have declared the capability `prompts`.", f"{_OLD}server/prompts#capabilities"),),
    ),
    Topic(
        "prompts/get",
        "client",
        "Fills in a prompt: with its argument, and without one that it needs.",
        (("Missing required arguments and unknown names SHOULD be error -32602.", f"{_OLD}server/prompts#error-handling"),),
    ),
    Topic(
        "completion/complete",
        "client",
        "Asks for values of an argument of a prompt or a template.",
        (("There MUST be at most 100 values in an answer.", f"{_OLD}server/utilities/completion#completion-results"),),
    ),
    Topic(
        "logging/setLevel",
        "client",
        "Says from which level on log messages are wanted. In the modern era each request says so itself, in its `_meta`.",
        (
            ("The server MUST have declared the capability `logging`.", f"{_OLD}server/utilities/logging#capabilities"),
            ("A level that is none SHOULD be error -32602.", f"{_OLD}server/utilities/logging#error-handling"),
        ),
    ),
    Topic(
        "notifications/message",
        "server",
        "A log message. The run switches this server's simulated messages on.",
        (
            (
                "Without a level the server MAY decide which messages it sends.",
                f"{_OLD}server/utilities/logging#setting-log-level",
            ),
            ("In the modern era a server sends them only with a request that asks for a level.", _NEW),
            ("They MUST NOT hold credentials or other secrets.", f"{_OLD}server/utilities/logging#security"),
        ),
    ),
    Topic(
        "notifications/progress",
        "either",
        "How far a request has come, for a requester that gave a `progressToken`.",
        (
            (
                "The token MUST be unique among the active requests; `progress` MUST grow with each notification.",
                f"{_OLD}basic/utilities/progress#progress-flow",
            ),
            ("They MUST end with the request.", f"{_OLD}basic/utilities/progress#behavior-requirements"),
        ),
        "They come before the answer here; a client must not break when one is late.",
    ),
    Topic(
        "notifications/cancelled",
        "either",
        "Gives a request up. Nothing answers it: the run goes on with another request.",
        (
            (
                "It MUST name a request of the same direction that is believed to be in flight; `initialize` MUST NOT be cancelled.",
                f"{_OLD}basic/utilities/cancellation#behavior-requirements",
            ),
            (
                "The receiver SHOULD stop and not answer; the sender SHOULD ignore an answer that comes all the same.",
                f"{_OLD}basic/utilities/cancellation#behavior-requirements",
            ),
            ("In the modern era it exists on stdio only: over HTTP the client closes the response stream.", _NEW),
        ),
    ),
    Topic(
        "sampling/createMessage",
        "server",
        "Asks the client's model. In the modern era it is an input that a result asks for.",
        (
            ("The client MUST have declared the capability `sampling`.", f"{_OLD}client/sampling#capabilities"),
            ("There SHOULD be a human who can deny it.", f"{_OLD}client/sampling#user-interaction-model"),
        ),
        "The id is the server's own count, and may be that of a request of the client's, finished or not.",
    ),
    Topic(
        "elicitation/create",
        "server",
        "Asks the user to fill in a form, whose schema is flat.",
        (
            (
                "The client MUST have declared `elicitation` (an empty object means forms).",
                f"{_OLD}client/elicitation#capabilities",
            ),
            ("Servers MUST NOT ask for secrets with a form.", f"{_OLD}client/elicitation#security-considerations"),
        ),
    ),
    Topic(
        "elicitation/create (url)",
        "server",
        "Asks the user to open an address; `accept` means that they agreed to, not that they are done.",
        (
            ("The client MUST have declared `elicitation.url`.", f"{_OLD}client/elicitation#capabilities"),
            (
                "When it is done, the server MAY send `notifications/elicitation/complete` with the same `elicitationId`.",
                f"{_OLD}client/elicitation#completion-notifications-for-url-mode-elicitation",
            ),
        ),
    ),
    Topic(
        "roots/list",
        "server",
        "Asks for the folders that the client works in.",
        (
            ("The client MUST have declared the capability `roots`.", f"{_OLD}client/roots#capabilities"),
            ("A root MUST be a `file://` address.", f"{_OLD}client/roots#root"),
        ),
    ),
    Topic(
        "notifications/roots/list_changed",
        "client",
        "Says that the roots have changed; this server asks for them again. The run also shows the server's own "
        "`notifications/tools/list_changed`, whose siblings for prompts and resources look the same.",
        (
            (
                "A client that declared `roots.listChanged` MUST send it when they change.",
                f"{_OLD}client/roots#root-list-changes",
            ),
            (
                "A server that declared `listChanged` SHOULD say when its list changes.",
                f"{_OLD}server/tools#list-changed-notification",
            ),
        ),
    ),
    Topic(
        "tools/call (task)",
        "client",
        "Calls a tool as a task: the answer is that the task has begun, and the tool's result is fetched when there is one. The run shows "
        "a whole task, which asks something on the way, and one that is cancelled. Tasks are an experiment of this revision.",
        (
            (
                "A client MUST NOT call a tool as a task unless the server declared `tasks.requests.tools.call`, nor a tool whose `taskSupport` is `forbidden` or missing.",
                f"{_TASKS}tool-level-negotiation",
            ),
            (
                "Where the tool's `execution.taskSupport` is `required`, a call without `task` MUST be error -32601.",
                f"{_TASKS}tool-level-negotiation",
            ),
            (
                "A server without that capability MUST ignore `task` and answer as ever.",
                f"{_TASKS}task-support-and-handling",
            ),
            ("The server makes the id, which MUST be a text of its own for each task.", f"{_TASKS}task-id-requirements"),
            (
                "A task begins as `working`, may go to `input_required` and back, and MUST NOT leave `completed`, `failed` or `cancelled`.",
                f"{_TASKS}task-status-lifecycle",
            ),
            (
                "What belongs to a task MUST name it in `_meta`, under `io.modelcontextprotocol/related-task`, also the client's answers.",
                f"{_TASKS}associating-task-related-messages",
            ),
            (
                "The receiver MAY keep a task longer or shorter than `ttl` wishes; it says how long.",
                f"{_TASKS}ttl-and-resource-management",
            ),
        ),
        "This server keeps each task for five minutes, whatever `ttl` wishes. The other direction is the same: a client that declared "
        "`tasks.requests` may be sent `sampling/createMessage` and `elicitation/create` with a `task`, and then answers the methods below.",
    ),
    Topic(
        "tasks/get",
        "either",
        "Asks where a task stands, of whoever runs it; also for one that is not there.",
        (
            (
                "Requestors SHOULD ask until the task is over or wants input, and SHOULD respect `pollInterval`.",
                f"{_TASKS}getting-tasks",
            ),
            (
                "The answer MUST say the `ttl` that holds (`null` for ever), and when the task began and last changed.",
                f"{_TASKS}ttl-and-resource-management",
            ),
            ("It SHOULD NOT name the task in `_meta` once more.", f"{_TASKS}associating-task-related-messages"),
            ("An id that is none MUST be error -32602.", f"{_TASKS}protocol-errors"),
        ),
    ),
    Topic(
        "tasks/result",
        "either",
        "Fetches what a task has come to: what the request would have been answered without a task.",
        (
            (
                "The answer MUST wait until the task is over, and MUST then be the result or the error of the request.",
                f"{_TASKS}result-retrieval",
            ),
            (
                "It MUST name the task in its `_meta`, since nothing else in it does.",
                f"{_TASKS}associating-task-related-messages",
            ),
            (
                "Where a task is `input_required`, the requestor SHOULD call this at once: what the task asks may come on it.",
                f"{_TASKS}input-required-status",
            ),
        ),
        "Of a task that was cancelled this server has no result: error -32603.",
    ),
    Topic(
        "tasks/list",
        "either",
        "Lists the tasks, page by page.",
        (
            ("The receiver MUST have declared `tasks.list`.", f"{_TASKS}capability-negotiation"),
            (
                "What `tasks/get` finds MUST be in the list; `nextCursor` MUST be there if more follow.",
                f"{_TASKS}task-listing",
            ),
        ),
        "Pages have ten tasks here, in the order in which they began.",
    ),
    Topic(
        "tasks/cancel",
        "either",
        "Gives a task up; the run tries it twice.",
        (
            ("The receiver MUST have declared `tasks.cancel`.", f"{_TASKS}capability-negotiation"),
            (
                "The task MUST be `cancelled` before the answer, and MUST stay so whatever its work comes to.",
                f"{_TASKS}task-cancellation",
            ),
            ("A task that is over MUST be error -32602.", f"{_TASKS}task-cancellation"),
        ),
        "No `notifications/tasks/status` tells of it here: the answer does.",
    ),
    Topic(
        "notifications/tasks/status",
        "either",
        "Says that the status of a task has changed, with all of the task.",
        (
            ("The receiver MAY send it; the requestor MUST NOT rely on it.", f"{_TASKS}task-notifications"),
            ("It SHOULD NOT name the task in `_meta` once more.", f"{_TASKS}task-notifications"),
        ),
        "The first one comes before the answer that tells the task's id, so a client must not break at an id that it does not know.",
    ),
)

BESIDE: Final = {
    "notifications/initialized": "initialize",
    "notifications/resources/updated": "resources/subscribe",
    "notifications/subscriptions/acknowledged": "subscriptions/listen",
    "notifications/tools/list_changed": "notifications/roots/list_changed",
    "notifications/prompts/list_changed": "notifications/roots/list_changed",
    "notifications/resources/list_changed": "notifications/roots/list_changed",
    "notifications/elicitation/complete": "elicitation/create (url)",
}
"""Methods that have no section of their own, and the one that shows or tells them."""

"""What the wire reference says in words: what each method is for, what is normative about it and what merely typical, what each field means.

The rules are those of the specification, said shortly; each has its section. `tests/docs/test_wire_page.py` pins that there is a word
for each method and each field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["BESIDE", "FIELDS", "SINCE", "TOPICS", "Topic"]

_OLD: Final = "2025-11-25/"
_NEW: Final = "2026-07-28"


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

SINCE: Final = {
    "Tool.annotations": "2025-03-26",
    "Tool.outputSchema": "2025-06-18",
    "Tool.execution": "2025-11-25",
    "CallToolResult.structuredContent": "2025-06-18",
    "ProgressNotificationParams.message": "2025-03-26",
    "ServerCapabilities.completions": "2025-03-26",
    "ClientCapabilities.elicitation": "2025-06-18",
    "CompleteRequestParams.context": "2025-06-18",
    "CreateMessageRequestParams.tools": "2025-11-25",
    "CreateMessageRequestParams.toolChoice": "2025-11-25",
    "*.title": "2025-06-18",
    "*.icons": "2025-11-25",
    "*.tasks": "2025-11-25",
    "*.task": "2025-11-25",
    "*.mode": "2025-11-25",
    "Annotations.lastModified": "2025-06-18",
    "Implementation.websiteUrl": "2025-11-25",
    "Implementation.description": "2025-11-25",
}
"""The handshake revision that brought a field, where it was not the first."""

FIELDS: Final = {
    "$schema": "dialect of the schema",
    "_meta": "what is about the message and not in it; keys with a prefix, see [the envelope](#the-envelope)",
    "action": "`accept`, `decline` or `cancel`",
    "annotations": "hints",
    "argument": "the argument to complete, and what was typed so far",
    "arguments": "values by name",
    "audience": "for whom it is",
    "blob": "the bytes, in base64",
    "cacheScope": "who may share what was cached",
    "call": "`tools/call` may be a task",
    "cancel": "tasks can be cancelled",
    "capabilities": "what this side can do",
    "clientInfo": "the client's name and version",
    "completion": "the values found",
    "completions": "completes arguments",
    "content": "what it holds",
    "contents": "the contents, one or several",
    "context": "what was settled before",
    "costPriority": "how much cost matters, 0 to 1",
    "create": "`elicitation/create` may be a task",
    "createMessage": "`sampling/createMessage` may be a task",
    "cursor": "the `nextCursor` of the page before",
    "data": "the bytes in base64; of a log message, any value",
    "description": "what it is, for people and models",
    "destructiveHint": "may destroy something",
    "elicitation": "asks the user",
    "elicitationId": "names this elicitation",
    "execution": "how it runs",
    "experimental": "what no revision has",
    "extensions": "extensions by identifier",
    "form": "can show forms",
    "hasMore": "there are more than these",
    "hints": "names of models, best first",
    "icons": "pictures to show",
    "id": "its id",
    "idempotentHint": "twice is the same as once",
    "includeContext": "whose context to include",
    "input": "the arguments of the tool use",
    "inputRequests": "what the server asks of the client, by key",
    "inputResponses": "the answers, by the same keys",
    "inputSchema": "JSON Schema of the arguments; an object",
    "instructions": "how to use the server, for the model",
    "intelligencePriority": "how much capability matters, 0 to 1",
    "io.modelcontextprotocol/clientCapabilities": "what the client can do",
    "io.modelcontextprotocol/clientInfo": "the client's name and version",
    "io.modelcontextprotocol/logLevel": "log messages wanted with this request, from this level on",
    "io.modelcontextprotocol/protocolVersion": "the revision of the request",
    "io.modelcontextprotocol/serverInfo": "the server's name and version",
    "io.modelcontextprotocol/subscriptionId": "id of the `subscriptions/listen` request",
    "isError": "the tool failed",
    "lastModified": "when it changed, ISO 8601",
    "level": "`debug`, `info`, `notice`, `warning`, `error`, `critical`, `alert` or `emergency`",
    "list": "tasks can be listed",
    "listChanged": "says when the list changes",
    "logger": "who logs",
    "logging": "sends log messages",
    "maxTokens": "the most tokens to make",
    "message": "one sentence for people",
    "messages": "the conversation",
    "metadata": "for the model's provider",
    "mimeType": "media type",
    "mode": "`form` or `url`",
    "model": "the model that answered",
    "modelPreferences": "which model is wished for",
    "name": "its name, for programs",
    "nextCursor": "where the next page begins; missing at the end",
    "notifications": "what is wanted, or granted",
    "openWorldHint": "reaches beyond the server",
    "outputSchema": "JSON Schema of `structuredContent`; an object",
    "priority": "how important it is, 0 to 1",
    "progress": "how far; grows",
    "progressToken": "name under which progress is wanted; text or integer",
    "prompts": "the prompts; of a capability: has some",
    "promptsListChanged": "changes of the prompts",
    "properties": "schemas by name",
    "protocolVersion": "the revision",
    "readOnlyHint": "changes nothing",
    "reason": "why, for people",
    "ref": "the prompt or template that has the argument",
    "requestId": "id of the request",
    "requestState": "to be handed back as it is",
    "requestedSchema": "JSON Schema of the form; flat",
    "requests": "which requests may be tasks",
    "required": "it must be given",
    "resource": "the resource",
    "resourceSubscriptions": "changes of these resources",
    "resourceTemplates": "the templates",
    "resources": "the resources; of a capability: has some",
    "resourcesListChanged": "changes of the list of resources",
    "resultType": "`complete`, or `input_required`",
    "role": "who says it",
    "roots": "the folders; of a capability: has some",
    "sampling": "asks a model",
    "serverInfo": "the server's name and version",
    "size": "in bytes",
    "sizes": "such as `48x48`",
    "speedPriority": "how much speed matters, 0 to 1",
    "src": "address of the picture",
    "stopReason": "why the model stopped",
    "stopSequences": "texts at which it stops",
    "structuredContent": "the result as JSON; an object up to 2025-11-25",
    "subscribe": "can be asked to tell of changes",
    "supportedVersions": "the revisions that the server speaks",
    "systemPrompt": "what the model is told first",
    "task": "run it as a task",
    "taskSupport": "`forbidden`, `optional` or `required`",
    "tasks": "runs tasks",
    "temperature": "how random",
    "text": "the text",
    "theme": "`light` or `dark`",
    "title": "its name, for people",
    "toolChoice": "whether tools must be used",
    "toolUseId": "id of the tool use that this is the result of",
    "tools": "the tools; of a capability: has some",
    "toolsListChanged": "changes of the tools",
    "total": "how much there is in all",
    "ttl": "how long to keep it, in milliseconds",
    "ttlMs": "how long it may be cached, in milliseconds",
    "type": "which kind it is",
    "uri": "its address",
    "uriTemplate": "addresses, as an RFC 6570 template",
    "url": "address to open",
    "value": "what was typed so far",
    "values": "the values, at most 100",
    "version": "its version",
    "websiteUrl": "its web page",
}
"""What a field means, by its name on the wire."""

"""What the tools are called, take and promise: the listing, and which of them a client is offered.

Pinned, against the reference itself, by `tests/peers/test_parity_everything.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from mcp_types import ClientCapabilities, ClientTasksRequestsCapability, Tool, ToolAnnotations, ToolExecution

from .arguments import Schema, choice, flag, number, shape, text

__all__ = ["README", "TASK_TOOLS", "TOOLS", "Listed", "depending", "offered"]

README = "https://raw.githubusercontent.com/modelcontextprotocol/servers/refs/heads/main/README.md"
"""The reference compresses what is there if a call says nothing else; this server has a document of its own in its place."""

Needs = Callable[[ClientCapabilities], bool]


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of the listing."""

    name: str
    title: str
    description: str
    takes: Schema = field(default_factory=lambda: shape({}))
    gives: Schema | None = None
    is_read_only: bool = True
    is_idempotent: bool = True
    is_open: bool = False
    needs: Needs | None = None
    task_support: Literal["forbidden", "required"] = "forbidden"

    def tool(self) -> Tool:
        """Return the row as the protocol has it."""
        return Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.takes,
            output_schema=self.gives,
            annotations=ToolAnnotations(
                read_only_hint=self.is_read_only,
                destructive_hint=False,
                idempotent_hint=self.is_idempotent,
                open_world_hint=self.is_open,
            ),
            execution=ToolExecution(task_support=self.task_support),
        )


_WEATHER: Schema = {
    **shape(
        {
            "temperature": number("Degrees Celsius"),
            "conditions": text("What the sky looks like"),
            "humidity": number("Relative humidity in percent"),
        },
        "temperature",
        "conditions",
        "humidity",
    ),
    "additionalProperties": False,
}

_ROWS = (
    Listed("echo", "Echo Tool", "Say the message back.", shape({"message": text("What to say back")}, "message")),
    Listed(
        "get-annotated-message",
        "Get Annotated Message Tool",
        "Say something whose annotations tell for whom it is and how much it matters.",
        shape(
            {
                "messageType": choice("error", "success", "debug", description="Which message"),
                "includeImage": flag("Whether a picture comes with it", default=False),
            },
            "messageType",
        ),
    ),
    Listed("get-env", "Print Environment Tool", "Show the environment variables that the server was given."),
    Listed(
        "get-resource-links",
        "Get Resource Links Tool",
        "Point at resources, of both kinds in turn.",
        shape({"count": number("How many links", default=3, minimum=1, maximum=10)}),
    ),
    Listed(
        "get-resource-reference",
        "Get Resource Reference Tool",
        "Hand over one resource inside the result.",
        shape(
            {
                "resourceType": choice("Text", "Blob", default="Text"),
                "resourceId": number("Number of the resource, from 1", default=1),
            }
        ),
    ),
    Listed(
        "get-structured-content",
        "Get Structured Content Tool",
        "Tell the weather as structured content, with a schema to check it by.",
        shape({"location": choice("New York", "Chicago", "Los Angeles", description="Which city")}, "location"),
        _WEATHER,
    ),
    Listed(
        "get-sum",
        "Get Sum Tool",
        "Add two numbers and say the sum in a sentence.",
        shape({"a": number("First number"), "b": number("Second number")}, "a", "b"),
    ),
    Listed("get-tiny-image", "Get Tiny Image Tool", "Show a very small picture."),
    Listed(
        "gzip-file-as-resource",
        "GZip File as Resource Tool",
        "Compress what a data: address holds, as a resource of this session or inside the result. No network is used.",
        shape(
            {
                "name": text("Name of the compressed file", default="README.md.gz"),
                "data": text("What to compress, as a data: address", default=README, format="uri"),
                "outputType": choice(
                    "resourceLink",
                    "resource",
                    description="A link to the resource, or the resource itself",
                    default="resourceLink",
                ),
            }
        ),
        is_read_only=False,
        is_open=True,
    ),
    Listed(
        "toggle-simulated-logging",
        "Toggle Simulated Logging",
        "Begin or end to send made-up log messages.",
        is_read_only=False,
        is_idempotent=False,
    ),
    Listed(
        "toggle-subscriber-updates",
        "Toggle Subscriber Updates",
        "Begin or end to say that subscribed resources have changed.",
        is_read_only=False,
        is_idempotent=False,
    ),
    Listed(
        "trigger-long-running-operation",
        "Trigger Long Running Operation Tool",
        "Take some time, and report progress after each step.",
        shape(
            {
                "duration": number("Seconds that it takes", default=10),
                "steps": number("Steps, each reported as progress", default=5),
            }
        ),
    ),
    Listed(
        "get-roots-list",
        "Get Roots List Tool",
        "List the roots that the client has.",
        needs=lambda can: can.roots is not None,
    ),
    Listed(
        "trigger-elicitation-request",
        "Trigger Elicitation Request Tool",
        "Ask the user to fill in a form that has one field of each kind.",
        is_read_only=False,
        is_idempotent=False,
        needs=lambda can: can.elicitation is not None,
    ),
    Listed(
        "trigger-url-elicitation",
        "Trigger URL Elicitation Tool",
        "Ask the user to open an address, by a request or by an error that says so.",
        shape(
            {
                "url": text("Which address to open", format="uri"),
                "message": text("What the user is told", default="Please open the link to complete this action."),
                "elicitationId": text("Id of the elicitation; one is made up if it is missing"),
                "errorPath": flag("Answer with the error -32042 the first time, in place of a request", default=False),
            },
            "url",
        ),
        is_read_only=False,
        is_idempotent=False,
        is_open=True,
        needs=lambda can: can.elicitation is not None and can.elicitation.url is not None,
    ),
    Listed(
        "trigger-sampling-request",
        "Trigger Sampling Request Tool",
        "Ask the client's model something.",
        shape({"prompt": text("What to ask"), "maxTokens": number("Most tokens of the answer", default=100)}, "prompt"),
        is_read_only=False,
        is_idempotent=False,
        is_open=True,
        needs=lambda can: can.sampling is not None,
    ),
    Listed(
        "simulate-research-query",
        "Simulate Research Query",
        "Pretend to look into something, as a task in stages, which may ask what was meant.",
        shape(
            {
                "topic": text("What to look into"),
                "ambiguous": flag("Whether the topic may mean several things, so that the client is asked", default=False),
            },
            "topic",
        ),
        is_read_only=False,
        is_idempotent=False,
        needs=lambda _: True,
        task_support="required",
    ),
    Listed(
        "trigger-sampling-request-async",
        "Trigger Async Sampling Request Tool",
        "Ask the client's model something, as a task of the client.",
        shape({"prompt": text("What to ask"), "maxTokens": number("Most tokens of the answer", default=100)}, "prompt"),
        is_read_only=False,
        is_idempotent=False,
        is_open=True,
        needs=lambda can: can.sampling is not None and _does_as_task(can).sampling is not None,
    ),
    Listed(
        "trigger-elicitation-request-async",
        "Trigger Async Elicitation Request Tool",
        "Ask the user to fill in a form, as a task of the client.",
        is_read_only=False,
        is_idempotent=False,
        needs=lambda can: can.elicitation is not None and _does_as_task(can).elicitation is not None,
    ),
)

TOOLS = {row.name: row for row in _ROWS}
"""Each tool by its name, in the order of the listing."""


TASK_TOOLS = frozenset(name for name in TOOLS if name == "simulate-research-query" or name.endswith("-async"))
"""Those that need tasks, which only the handshake era has."""


def depending(can: ClientCapabilities | None) -> list[str]:
    """Return the tools that a client is offered once it is known what it can do."""
    return [name for name, row in offered(can).items() if row.needs is not None]


def offered(can: ClientCapabilities | None, *, modern: bool = False) -> dict[str, Listed]:
    """Return the tools that a client with these capabilities is offered."""
    known = can or ClientCapabilities()
    return {
        name: row
        for name, row in TOOLS.items()
        if (row.needs is None or row.needs(known)) and not (modern and name in TASK_TOOLS)
    }


def _does_as_task(can: ClientCapabilities) -> ClientTasksRequestsCapability:
    nothing = ClientTasksRequestsCapability()
    return nothing if can.tasks is None else can.tasks.requests or nothing

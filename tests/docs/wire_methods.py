"""Which methods there are in which revision, with the models of their messages.

`mcp_types.methods` has all but those of tasks, whose models the SDK has too: they are added here, under the names that it uses, from
the module of the revision: the public models are those of all revisions at once.
"""

from __future__ import annotations

from typing import Final

from mcp_types import _v2025_11_25 as schema
from mcp_types import methods
from pydantic import BaseModel

__all__ = [
    "CLIENT_NOTIFICATIONS",
    "CLIENT_REQUESTS",
    "CLIENT_RESULTS",
    "SERVER_NOTIFICATIONS",
    "SERVER_REQUESTS",
    "SERVER_RESULTS",
    "TASK_CALL",
    "TASK_MESSAGES",
    "TASK_RESULTS",
]

_ERA: Final = "2025-11-25"

TASK_CALL: Final = ("tools/call (task)", _ERA)
"""The call that begins a task, whose result is of its own."""

_REQUESTS: Final[dict[tuple[str, str], type[BaseModel]]] = {
    ("tasks/get", _ERA): schema.GetTaskRequest,
    ("tasks/result", _ERA): schema.GetTaskPayloadRequest,
    ("tasks/list", _ERA): schema.ListTasksRequest,
    ("tasks/cancel", _ERA): schema.CancelTaskRequest,
}
_NOTIFICATIONS: Final[dict[tuple[str, str], type[BaseModel]]] = {
    ("notifications/tasks/status", _ERA): schema.TaskStatusNotification
}

TASK_MESSAGES: Final = {**_REQUESTS, **_NOTIFICATIONS}
"""What is sent about tasks; either side may."""

TASK_RESULTS: Final[dict[tuple[str, str], type[BaseModel]]] = {
    TASK_CALL: schema.CreateTaskResult,
    ("tasks/get", _ERA): schema.GetTaskResult,
    ("tasks/result", _ERA): schema.GetTaskPayloadResult,
    ("tasks/list", _ERA): schema.ListTasksResult,
    ("tasks/cancel", _ERA): schema.CancelTaskResult,
}
"""What answers it."""

CLIENT_REQUESTS: Final = {**methods.CLIENT_REQUESTS, **_REQUESTS}
SERVER_REQUESTS: Final = {**methods.SERVER_REQUESTS, **_REQUESTS}
CLIENT_NOTIFICATIONS: Final = {**methods.CLIENT_NOTIFICATIONS, **_NOTIFICATIONS}
SERVER_NOTIFICATIONS: Final = {**methods.SERVER_NOTIFICATIONS, **_NOTIFICATIONS}
SERVER_RESULTS: Final = {**methods.SERVER_RESULTS, **TASK_RESULTS}
CLIENT_RESULTS: Final = {**methods.CLIENT_RESULTS, **TASK_RESULTS}

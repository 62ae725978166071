"""The methods `tasks/get`, `tasks/result`, `tasks/list` and `tasks/cancel`, and the notification of a task's status.

They are of the revision 2025-11-25; in the modern era there is none of them. Pinned as `tasks.py` is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import anyio
from mcp import MCPError
from mcp.server.lowlevel.server import Server
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    CancelTaskRequestParams,
    GetTaskPayloadRequestParams,
    GetTaskRequestParams,
    PaginatedRequestParams,
    ServerNotification,
    TaskStatusNotification,
    TaskStatusNotificationParams,
)

from .session import Context, Run, ask, is_modern, session_of
from .tasks import Asked, Status, Task, Tasks

__all__ = ["CAPABILITY", "RELATED", "add_task_methods", "move"]

CAPABILITY: Final[dict[str, object]] = {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
"""What the server says of its tasks."""

RELATED: Final = "io.modelcontextprotocol/related-task"
"""Key under which `_meta` names the task that a message belongs to."""


def add_task_methods(server: Server[Run]) -> None:
    """Let a server answer the four methods."""
    server.add_request_handler("tasks/get", GetTaskRequestParams, _get)
    server.add_request_handler("tasks/result", GetTaskPayloadRequestParams, _result)
    server.add_request_handler("tasks/list", PaginatedRequestParams, _list)
    server.add_request_handler("tasks/cancel", CancelTaskRequestParams, _cancel)


async def move(context: Context, task: Task, status: Status, said: str | None = None) -> None:
    """Move a task to a status, and say so."""
    session_of(context).tasks.move(task, status, said)
    params = TaskStatusNotificationParams.model_validate(task.wire(), by_name=False)
    # The SDK has this notification and leaves it out of the union of those that a server sends.
    notification = cast("ServerNotification", TaskStatusNotification(params=params))
    await context.session.send_notification(notification)


def _tasks(context: Context) -> Tasks:
    if is_modern(context):
        raise MCPError(METHOD_NOT_FOUND, "Method not found", context.method)
    return session_of(context).tasks


def _found(context: Context, name: str) -> Task:
    task = _tasks(context).find(name)
    if task is None:
        raise MCPError(INVALID_PARAMS, f"Task not found: {name}")
    return task


async def _get(context: Context, params: GetTaskRequestParams) -> dict[str, object]:
    return _found(context, params.task_id).wire()


async def _list(context: Context, params: PaginatedRequestParams) -> dict[str, object]:
    try:
        page, cursor = _tasks(context).page(params.cursor)
    except KeyError:
        raise MCPError(INVALID_PARAMS, f"Failed to list tasks: no page begins at {params.cursor!r}") from None
    listed: dict[str, object] = {"tasks": [task.wire() for task in page], "_meta": {}}
    return listed if cursor is None else {**listed, "nextCursor": cursor}


async def _cancel(context: Context, params: CancelTaskRequestParams) -> dict[str, object]:
    task = _found(context, params.task_id)
    if task.is_over:
        raise MCPError(INVALID_PARAMS, f"Cannot cancel task in terminal status: {task.status}")
    _tasks(context).move(task, "cancelled", "The client has cancelled the task.")
    task.asked.clear()
    task.scope.cancel()
    return {"_meta": {}, **task.wire()}


async def _result(context: Context, params: GetTaskPayloadRequestParams) -> dict[str, object]:
    """Ask what the task asks, and answer when it has come to an end."""
    while True:
        task = _found(context, params.task_id)
        while task.asked:
            await _put(context, task)
        if task.is_over:
            break
        with anyio.move_on_after(_tasks(context).left(task)):
            await task.changed.wait()
    if task.result is None:
        raise MCPError(INTERNAL_ERROR, f"Task {task.id} has no result: it is {task.status}")
    return {**task.result, "_meta": {RELATED: {"taskId": task.id}}}


async def _put(context: Context, task: Task) -> None:
    async def send(asked: Asked) -> Mapping[str, object]:
        related = {**asked.params, "_meta": {RELATED: {"taskId": task.id}}}
        return await ask(context, asked.method, related, number=asked.id)

    try:
        await task.asked.popleft().put(send)
    except MCPError:
        return

"""Which arguments of a server's tools its client sends as HTTP headers too (2026-07-28, `x-mcp-header` in a tool's schema).

A link knows it of the tools that were listed on it through the board. A tool whose schema says it wrongly is, as the specification
wants, no tool for whoever lists; the check `listing:header` says why. Pinned by `tests/switchboard/test_mirrored.py`.
"""

from __future__ import annotations

import json
from typing import cast

from mcp.shared.inbound import mcp_param_headers, x_mcp_header_map

from pytest_mcpsym.wire.marks import MARK, wrong_mark
from pytest_mcpsym.wire.splice import find

__all__ = ["Mirrored"]


class Mirrored:
    """What one link has learned.

    Args:
        applies: Whether it is a modern link over HTTP; on others nothing is mirrored.
    """

    def __init__(self, *, applies: bool) -> None:
        self._applies = applies
        self._maps: dict[str, dict[tuple[str, ...], str]] = {}

    def learn(self, entry: bytes) -> bool:
        """Take note of a tool as it was listed, and say whether it is one."""
        # Every route lists anew, and nearly all tools have no such mark: they are not read.
        is_plain = MARK.encode() not in entry and b"\\u" not in entry
        if not self._applies or (is_plain and not self._maps):
            return True
        tool = cast("dict[str, object]", json.loads(entry))
        name, schema = str(tool.get("name")), tool.get("inputSchema")
        self._maps.pop(name, None)
        if wrong_mark(schema) is not None:
            return False
        found = x_mcp_header_map(schema)
        if found:
            self._maps[name] = found
        return True

    def headers(self, params: bytes) -> dict[str, str]:
        """Return the headers of a call, from the `params` of its request."""
        if not self._maps:
            return {}
        called = self._maps.get(str(json.loads(find(params, ("name",)) or b"null")))
        if called is None:
            return {}
        return mcp_param_headers(called, json.loads(find(params, ("arguments",)) or b"{}"))

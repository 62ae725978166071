"""The extension's page: its examples are messages of JSON-RPC, and it names every reason that the code can give."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent
from typing import cast, get_args

import pytest

from pytest_mcpsym.errors import LinkFailure
from pytest_mcpsym.switchboard.refusal import Refusal
from pytest_mcpsym.symmetric.names import CALLS, CANCEL, CONTINUE, Reason
from pytest_mcpsym.wire.log import WireLog

PAGE = (Path(__file__).parents[2] / "docs" / "symmetric.md").read_text(encoding="utf-8")
EXAMPLES = [dedent(block) for block in re.findall(r"^ *```json\n(.*?)^ *```$", PAGE, re.DOTALL | re.MULTILINE)]
REASONS = {*get_args(Reason), *get_args(Refusal), *get_args(LinkFailure)}


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_json_and_a_message_if_it_says_so(example: str) -> None:
    value = cast("dict[str, object]", json.loads(example))
    if "jsonrpc" in value:
        assert WireLog().frame("link", "to-server", example.encode()).message.kind != "invalid"


def test_each_message_of_the_extension_has_its_example() -> None:
    assert {name for name in (CALLS, CANCEL, CONTINUE) if not any(f'"{name}"' in example for example in EXAMPLES)} == set()


def test_each_reason_is_in_a_table() -> None:
    rows = "\n".join(line for line in PAGE.splitlines() if line.startswith("|"))
    assert {reason for reason in REASONS if f"`{reason}`" not in rows and f'"reason": "{reason}"' not in rows} == set()

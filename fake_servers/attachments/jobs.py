"""The jobs on one file in a directory: counting, converting, and running a program over it. None holds more of it than it must.

Pinned by `tests/fakes/test_attachments.py`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Final, Literal, cast

from ..code_mode.program import ProgramError  # noqa: TID252 - the package is also loaded under an alias
from ..code_mode.sandbox import FOLDER, NOW, Interpreter, Limits, Sandbox, Waiting  # noqa: TID252 - the package is also loaded under an alias
from ..files.tree import is_text  # noqa: TID252 - the package is also loaded under an alias

__all__ = ["CONVERTED", "Format", "JobError", "convert", "count", "run"]

Format = Literal["csv", "json"]

CONVERTED: Final = {"text/csv": "csv", "application/json": "json"}
"""The media types that can be converted."""

_OPEN: Final = "from typing import Any\n\n\ndef open(file: str, mode: str = 'r', encoding: str | None = None) -> Any: ...\n"
"""The type checker of programs does not know `open`, which the interpreter has."""


class JobError(Exception):
    """A file that a job cannot be done on, or a program that failed, in a sentence that a model may read."""


def count(path: Path, mime: str) -> dict[str, object]:
    """Count a text's lines and words, and name its bytes by their digest.

    Raises:
        JobError: It is no text.
    """
    if not is_text(mime):
        raise JobError(f"{path.name} is {mime}, and only text has words: text/*, JSON, XML, YAML, TOML or JavaScript")
    digest, lines, words, size = hashlib.sha256(), 0, 0, 0
    with path.open("rb") as file:
        for line in file:
            digest.update(line)
            size += len(line)
            lines += 1
            words += len(line.split())
    return {"bytes": size, "lines": lines, "words": words, "sha256": digest.hexdigest()}


def convert(path: Path, mime: str, to: Format) -> tuple[bytes, int]:
    """Return a table in another format, and how many rows it has.

    Raises:
        JobError: It is no table in a format that can be converted, or is in that one already.
    """
    given = CONVERTED.get(mime)
    if given is None:
        raise JobError(f"{path.name} is {mime}, and only {' and '.join(CONVERTED)} can be converted")
    if given == to:
        raise JobError(f"{path.name} is {to} already")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise JobError(f"{path.name} says that it is {mime}, and is no UTF-8") from None
    rows = _read_csv(text) if given == "csv" else _read_json(text, path.name)
    if to == "json":
        return json.dumps(rows, ensure_ascii=False).encode(), len(rows)
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode(), len(rows)


def _read_csv(text: str) -> list[dict[str, object]]:
    return [{str(name): value for name, value in row.items()} for row in csv.DictReader(io.StringIO(text))]


def _read_json(text: str, name: str) -> list[dict[str, object]]:
    try:
        rows = cast("object", json.loads(text))
    except (ValueError, RecursionError) as error:
        raise JobError(f"{name} is no JSON: {error}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in cast("list[object]", rows)):
        raise JobError(f"{name} is no list of objects, which is what a table is in JSON")
    return cast("list[dict[str, object]]", rows)


async def run(path: Path, program: str, limits: Limits) -> object:
    """Run a Python program that may read the file as `/files/NAME`, and return its last value.

    Raises:
        JobError: It was refused or failed, asks for anything else, or went over a limit.
    """
    interpreter = Interpreter([], _OPEN, limits, seed=0, now=NOW, folder=path.parent)
    try:
        async with Sandbox(interpreter) as sandbox:
            step = await sandbox.turn(lambda: interpreter.start(program))
    except ProgramError as error:
        raise JobError(f"{error} (the file is {FOLDER}/{path.name})") from None
    assert not isinstance(step, Waiting), "a program that is granted no function waits for none"
    return step.value

"""The options that a fake takes on the command line: the keyword parameters of the function that makes it, described by its docstring.

A parameter of a type that one word can say is an option; one that is named like a secret is none, because a command line is public.
Pinned by `tests/cli/test_serve_options.py`.
"""

from __future__ import annotations

import difflib
import inspect
import re
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, NoReturn

from pytest_mcpsym.cli.error import CommandError
from pytest_mcpsym.wire.sensitive import is_secret_field

__all__ = ["Option", "options", "parsed", "unknown"]

_TYPES: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "int": ("a whole number", int),
    "float": ("a number", float),
    "str": ("a text", str),
    "datetime": ("a time in ISO 8601", datetime.fromisoformat),
    "Path": ("a path", Path),
}
"""What makes a value of a word, and what such a word is called, by the first name in an annotation."""

_SYNONYMS: Final = {"port": "http", "transport": "http", "address": "host", "bind": "host"}
"""What other commands call the options of this one."""

_ABOUT: Final = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a fake.

    Attributes:
        parameter: The keyword parameter.
        kind: First name in its annotation.
        can_be_none: The word `none` is None.
        about: A sentence.
    """

    parameter: str
    kind: str
    can_be_none: bool
    about: str

    @property
    def flag(self) -> str:
        """How it is written."""
        return "--" + self.parameter.replace("_", "-")

    @property
    def written(self) -> str:
        """How it is written, with a word for its value."""
        return self.flag if self.kind == "bool" else f"{self.flag} {self.parameter.upper()}"

    def value(self, word: str) -> object:
        """Return the value that a word says."""
        if self.can_be_none and word == "none":
            return None
        called, make = _TYPES[self.kind]
        try:
            return make(word)
        except ValueError:
            raise ArgumentTypeError(f"{word!r} is not {called}") from None


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(message)


def options(make: Callable[..., object]) -> list[Option]:
    """Return the options of a fake in the order of its parameters."""
    about = {name: " ".join(text.split()) for name, text in _ABOUT.findall(inspect.getdoc(make) or "")}
    found: list[Option] = []
    for name, parameter in inspect.signature(make).parameters.items():
        kinds = [part.strip() for part in str(parameter.annotation).split("|")]
        if kinds[0] in {*_TYPES, "bool"} and not is_secret_field(name):
            found.append(Option(name, kinds[0], "None" in kinds, about.get(name, "")))
    return found


def parsed(name: str, make: Callable[..., object], words: Sequence[str], others: Iterable[str]) -> dict[str, object]:
    """Return the keyword arguments that the words after a fake's name say.

    Args:
        name: Name of the fake.
        make: The function that makes it.
        words: What the command itself did not take.
        others: Options of the command itself, for the error.

    Raises:
        CommandError: A word is no option of this fake, or its value is none.
    """
    parser = _Parser(add_help=False, allow_abbrev=False, argument_default=SUPPRESS)
    takes = options(make)
    for each in takes:
        if each.kind == "bool":
            parser.add_argument(each.flag, action="store_true", dest=each.parameter)
        else:
            parser.add_argument(each.flag, type=each.value, dest=each.parameter)
    try:
        given, rest = parser.parse_known_args(list(words))
    except CommandError as error:
        raise CommandError(f"the fake {name!r}: {error}") from None
    if rest:
        raise unknown(rest, f"the fake {name!r}", [each.flag for each in takes], others)
    return dict(vars(given))


def unknown(words: Sequence[str], who: str, takes: Sequence[str], others: Iterable[str]) -> CommandError:
    """Return the error for words that are no options of a server.

    Args:
        words: The words.
        who: Whose options they are not.
        takes: Options of the server.
        others: Options of the command itself, which may have been meant.
    """
    word = words[0].partition("=")[0]
    if not word.startswith("-"):
        return CommandError(f"one server at a time: {who} is named, and then {word!r}")
    bare = {each.removeprefix("--"): each for each in (*takes, *others)}
    meant = word.lstrip("-")
    near = difflib.get_close_matches(_SYNONYMS.get(meant, meant), bare, 1)
    if near:
        return CommandError(f"{who} takes no {word}; did you mean {bare[near[0]]}?")
    return CommandError(
        f"{who} takes no {word}; " + (f"it takes {', '.join(takes)}" if takes else "it has no options of its own")
    )

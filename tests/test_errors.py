"""The tree of errors: one base, typed attributes, texts that say what and where."""

from __future__ import annotations

import inspect

import pytest

from pytest_mcpsym import errors
from pytest_mcpsym.errors import AnswerTimeout, FindingsError, LinkError, McpsymError, UsageError

CLASSES = [each for _, each in inspect.getmembers(errors, inspect.isclass) if each.__module__ == errors.__name__]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_has_the_one_base(error: type[Exception]) -> None:
    assert issubclass(error, McpsymError)


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_is_in_the_tree_that_the_module_draws(error: type[Exception]) -> None:
    assert f"{error.__name__} " in f"{errors.__doc__} ".replace("\n", " ")


def test_a_failed_link_is_named_with_a_reason_for_machines() -> None:
    error = LinkError("weather", "exited", "python server.py ended with exit status 1")
    assert (error.link, error.reason, error.raised) == ("weather", "exited", False)
    assert str(error) == "link 'weather': python server.py ended with exit status 1"


def test_an_unanswered_request_is_also_a_timeout_of_python() -> None:
    error = AnswerTimeout("weather", "tools/call", 1.5, 7)
    assert isinstance(error, TimeoutError)
    assert (error.method, error.seconds, error.frame, error.reason) == ("tools/call", 1.5, 7, "no-answer")
    assert "tools/call (frame 7) was not answered within 1.5 s" in str(error)


def test_a_request_that_was_never_written_has_no_frame() -> None:
    assert "(never written)" in str(AnswerTimeout("weather", "tools/call", 1, None))


def test_findings_and_wrong_usage_are_told_apart() -> None:
    assert not issubclass(FindingsError, UsageError)
    assert not issubclass(LinkError, UsageError)

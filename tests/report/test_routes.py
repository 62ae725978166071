"""Routes in reports: trees that people can read, without secrets."""

from __future__ import annotations

import json

from pytest_mcpsym.report.routes import explained, trees
from pytest_mcpsym.switchboard.host import Host
from pytest_mcpsym.switchboard.views import Views
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.redact import Rules


def board(*calls: tuple[str, str, str], rules: Rules | None = None) -> Views:
    """A board with calls of the host: link, method, target."""
    log = WireLog(clock=lambda: 0.0)
    for number, (link, method, target) in enumerate(calls):
        params = {"uri" if method == "resources/read" else "name": target}
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        log.frame(link, "to-server", json.dumps(request).encode())
        log.frame(link, "to-client", json.dumps({"jsonrpc": "2.0", "id": number, "result": {}}).encode())
    return Views(log, Host(), rules or Rules())


ECHO = ("echo", "tools/call", "say")


def test_a_board_without_calls_says_so() -> None:
    assert list(trees([board()])) == ["(no routed call)"]


def test_calls_are_drawn_with_method_and_target() -> None:
    calls = board(ECHO, ("files", "resources/read", "file:///a"))
    assert list(trees([calls])) == ["host", "├─ echo  tools/call say", "└─ files  resources/read file:///a"]


def test_several_boards_are_told_apart() -> None:
    lines = list(trees([board(ECHO), board()]))
    assert lines[0] == "board 1 (echo)"
    assert lines[3] == "board 2 ()"


def test_secrets_in_uris_are_replaced() -> None:
    calls = board(("files", "resources/read", "https://x.test/?access_token=abcdefghijklmnop"))
    assert "abcdefghijklmnop" not in "\n".join(trees([calls]))
    assert "abcdefghijklmnop" not in "\n".join(explained("host > other", calls.routes) or ["abcdefghijklmnop"])


def test_the_first_line_of_an_explanation_is_the_nearest_difference() -> None:
    lines = explained(board(ECHO).routes, "host > other") or []
    assert lines[0] == "routes: under host: expected other, got echo"


def test_sides_and_lists_of_texts_are_explained_alike() -> None:
    routes = board(ECHO, ECHO).routes
    sides = [explained(routes, "host > other"), explained("host > other", routes)]
    lists = [explained(routes, ["host > other"]), explained(("host > other",), routes)]
    assert all(each == sides[0] for each in [*sides, *lists])


def test_other_comparisons_and_texts_that_cannot_be_read_are_left_to_pytest() -> None:
    routes = board(ECHO).routes
    assert explained(routes, routes) is None
    assert explained(routes, 3) is None
    assert explained(routes, "host > > other") is None

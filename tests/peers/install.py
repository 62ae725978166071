"""Install the MCP servers, clients and suites that nobody here wrote, for the tests in this folder.

Run as `python tests/peers/install.py`. The servers from npm come from `npm/package-lock.json` and need node 18 or
newer; `mcp-server-time` comes from `time/requirements.txt` and gets an environment of its own, because it needs
`mcp<2`. The conformance suites and the Inspector come from `suites/package-lock.json`; they need node 22.19 or newer,
which `suites/requirements.txt` brings from PyPI. What is already there in the pinned versions is left alone. Needs the standard library only, so that it runs
before anything else is installed. Pinned by tests/peers/test_provision.py.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from functools import partial
from pathlib import Path

PEERS = Path(__file__).resolve().parent
STAMP = ".installed-from"


def main() -> int:
    """Install every peer that is absent or outdated; return the exit code of the command."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        print("peers: node and npm are needed (18 or newer; on Debian: apt-get install nodejs npm)", file=sys.stderr)
        return 1
    node_version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    for folder in (PEERS / "npm", PEERS / "suites"):
        npm_files = [folder / "package.json", folder / "package-lock.json"]
        ensure(folder / "node_modules", npm_files, node_version, partial(_install_npm, npm, folder))
    for folder in (PEERS / "time", PEERS / "suites"):
        requirements, environment = folder / "requirements.txt", folder / "venv"
        ensure(environment, [requirements], sys.version, partial(_install_environment, environment, requirements))
    return 0


def ensure(target: Path, sources: list[Path], runtime: str, install: Callable[[], None]) -> None:
    """Run `install` unless `target` carries the stamp of these sources and this runtime.

    A target that is a link belongs to whoever made what it leads to: npm and venv would empty that, so it is left alone.
    """
    if target.is_symlink():
        print(f"peers: {target.relative_to(PEERS)} is a link to {target.resolve()}, which is left alone")
        return
    digest = hashlib.sha256("\0".join([runtime, platform.machine(), str(target)]).encode())
    for source in sources:
        digest.update(source.read_bytes())
    stamp = target / STAMP
    shown = target.relative_to(PEERS)
    if stamp.is_file() and stamp.read_text("utf-8") == digest.hexdigest():
        print(f"peers: {shown} is up to date")
        return
    print(f"peers: installing {shown}", flush=True)
    install()
    stamp.write_text(digest.hexdigest(), "utf-8")


def _install_npm(npm: str, folder: Path) -> None:
    # npm would say of each package that it needs a newer node than npm itself runs on; the suites are not run by that one.
    subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"], cwd=folder, check=True)


def _install_environment(environment: Path, requirements: Path) -> None:
    venv.create(environment, clear=True, with_pip=True)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--requirement", requirements], check=True)


if __name__ == "__main__":
    sys.exit(main())

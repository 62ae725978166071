"""Install the MCP servers that nobody here wrote, for the tests in this folder.

Run as `python tests/peers/install.py`. The servers from npm come from `npm/package-lock.json` and need node 18 or
newer; `mcp-server-time` comes from `time/requirements.txt` and gets an environment of its own, because it needs
`mcp<2`. What is already there in the pinned versions is left alone. Needs the standard library only, so that it runs
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
    npm_files = [PEERS / "npm" / "package.json", PEERS / "npm" / "package-lock.json"]
    _ensure(PEERS / "npm" / "node_modules", npm_files, node_version, lambda: _install_npm(npm))
    requirements = PEERS / "time" / "requirements.txt"
    environment = PEERS / "time" / "venv"
    _ensure(environment, [requirements], sys.version, lambda: _install_time(environment, requirements))
    return 0


def _ensure(target: Path, sources: list[Path], runtime: str, install: Callable[[], None]) -> None:
    """Run `install` unless `target` carries the stamp of these sources and this runtime."""
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


def _install_npm(npm: str) -> None:
    subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=PEERS / "npm", check=True)


def _install_time(environment: Path, requirements: Path) -> None:
    venv.create(environment, clear=True, with_pip=True)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--requirement", requirements], check=True)


if __name__ == "__main__":
    sys.exit(main())

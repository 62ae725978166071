"""A conftest with which a run of pytest reaches nobody: starting a process, listening and connecting are errors."""

ALONE = """
import sys

REFUSED = ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "socket.bind", "socket.connect", "socket.getaddrinfo")

def refuse(event, args):
    if event in REFUSED:
        raise AssertionError(f"{event}{args}: nothing of this is needed to replay")

sys.addaudithook(refuse)
"""

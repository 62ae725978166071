"""Starts a child that ignores SIGTERM and holds all pipes open, and waits until the child has said its process id.

Arguments: `session` puts the child in a session of its own; `exit` ends at once instead of with the input.
"""

import os
import subprocess
import sys

CHILD = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
os.close(int(sys.argv[1]))
while True:
    signal.pause()
"""

told, tells = os.pipe()
command = [sys.executable, "-c", CHILD, str(tells)]
subprocess.Popen(command, start_new_session="session" in sys.argv, pass_fds=[tells])
os.close(tells)
os.read(told, 1)
if "exit" not in sys.argv:
    sys.stdin.buffer.read()

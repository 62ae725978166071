"""Says its process id, ignores SIGTERM and never reads its input."""

import os
import signal

signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
while True:
    signal.pause()

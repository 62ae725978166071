"""Says its process id on a line of its own, then sends back each line that it gets. Ends with its input."""

import os
import sys

print(os.getpid(), flush=True)
for line in sys.stdin.buffer:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()

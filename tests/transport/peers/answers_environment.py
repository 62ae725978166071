"""Answers each line with the value of the environment variable that it names, and with the working directory."""

import os
import sys
from pathlib import Path

for line in sys.stdin:
    print(os.environ.get(line.strip(), "unset"), Path.cwd(), flush=True)

"""Answers each line with the value of the environment variable that it names, and with the working directory."""

import os
import sys

for line in sys.stdin:
    print(os.environ.get(line.strip(), "unset"), os.getcwd(), flush=True)

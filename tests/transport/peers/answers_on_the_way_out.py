"""Writes 200 numbered lines when its input ends, then ends."""

import sys

sys.stdin.buffer.read()
for number in range(200):
    print(number, flush=True)

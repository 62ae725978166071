"""Writes one message in halves, cut inside a character; the second half only when the next line has come."""

import os
import sys

DATA = '"é"'.encode() + b"\n"

sys.stdin.buffer.readline()
os.write(1, DATA[:2])
print("half", file=sys.stderr, flush=True)
sys.stdin.buffer.readline()
os.write(1, DATA[2:])
sys.stdin.buffer.read()

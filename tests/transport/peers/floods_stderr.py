"""Writes 1 MB in lines and 200 kB in one line to standard error before it answers each line with itself."""

import sys

for line in sys.stdin.buffer:
    sys.stderr.buffer.write((b"x" * 99 + b"\n") * 10_000)
    sys.stderr.buffer.write("é".encode() * 100_000 + b"\n")
    sys.stderr.buffer.flush()
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()

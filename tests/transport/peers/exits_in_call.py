"""Reads one line, complains, writes half an answer and ends with status 7."""

import sys

sys.stdin.buffer.readline()
print("out of memory", file=sys.stderr, flush=True)
sys.stdout.write('{"jsonrpc":"2.0","id":1,"res')
sys.stdout.flush()
sys.exit(7)

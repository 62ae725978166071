"""Reads and reads, and says nothing."""

import sys

sys.stdin.buffer.read()

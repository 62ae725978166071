"""Writes what no server should: a log, empty lines, Windows line ends, bytes that are no UTF-8, a last line without end."""

import sys

sys.stdout.buffer.write(b"listening...\n\n\r\n{}\r\n\xff\xfe\n \n[1,\rlast")
sys.stdout.buffer.flush()
sys.stdin.buffer.read()

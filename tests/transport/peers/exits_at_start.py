"""Complains on standard error and ends with status 3 before it has read anything."""

import sys

print("no key, no service", file=sys.stderr)
sys.exit(3)

"""`python -m pytest_mcpsym` is the command `mcpsym`: see `pytest_mcpsym.cli`."""

import sys

from pytest_mcpsym.cli import main

sys.exit(main())

"""`python -m fake_servers.everything`: see `fake_servers.serve`."""

import os

from ..serve import serve  # noqa: TID252 - the package is also loaded under an alias
from . import LIFECYCLE, Everything
from . import everything as make


def everything(*, quirks: bool = False) -> Everything:
    """Return the server with the environment of this process."""
    return make(env=os.environ, lifecycle=LIFECYCLE, quirks=quirks)


serve(everything)

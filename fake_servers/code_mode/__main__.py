"""`python -m fake_servers.code_mode`: see `fake_servers.serve`."""

from ..serve import serve  # noqa: TID252 - the package is also loaded under an alias
from . import code_mode

serve(code_mode)

"""`python -m fake_servers.everything`: see `fake_servers.serve`."""

from ..serve import serve  # noqa: TID252 - the package is also loaded under an alias
from . import everything

serve(everything)

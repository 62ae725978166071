"""`python -m fake_servers.sequential_thinking`: see `fake_servers.serve`."""

from ..serve import serve  # noqa: TID252 - the package is also loaded under an alias
from . import sequential_thinking

serve(sequential_thinking)

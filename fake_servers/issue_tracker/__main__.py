"""`python -m fake_servers.issue_tracker`: see `fake_servers.serve`."""

from ..serve import serve  # noqa: TID252 - the package is also loaded under an alias
from . import issue_tracker

serve(issue_tracker)

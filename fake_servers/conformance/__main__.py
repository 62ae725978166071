"""`python -m fake_servers.conformance`: see `fake_servers.serve`."""

from ..serve import serve  # noqa: TID252 - the package is also loaded under an alias
from . import conformance

serve(conformance)

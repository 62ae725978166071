"""The examples of the plugin's tests serve here too."""

from tests.plugin.conftest import example

__all__ = ["example"]

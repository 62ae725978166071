"""What every test needs: the `pytester` fixture, and Hypothesis without a clock.

Our own plugin is loaded through its entry point, as it is for a user.
"""

import os

from hypothesis import settings

pytest_plugins = ["pytester"]

# A deadline would make a test depend on the load of the machine; CI draws the same examples every time.
settings.register_profile("mcpsym", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("mcpsym")

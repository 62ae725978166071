"""What the tests of the plugin share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.plugin.harness import Example


@pytest.fixture
def example(tmp_path: Path) -> Callable[..., Example]:
    """Make an example from files by path, or from the text of its only test file."""

    def make(files: str | Mapping[str, str], **more: str) -> Example:
        given = {"test_it.py": files} if isinstance(files, str) else dict(files)
        return Example(MappingProxyType({**given, **more}), tmp_path)

    return make

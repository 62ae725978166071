"""Deterministic data for the fakes: one seeded Faker per server, never the shared one. Pinned by `tests/fakes/test_data.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faker import Faker

__all__ = ["MissingExtra", "seeded"]


class MissingExtra(ImportError):
    """A fake needs a package of an extra that is not installed."""


def seeded(fake: str, seed: int) -> Faker:
    """Return a Faker of its own for one server.

    Args:
        fake: Name of the fake that needs it, for the error.
        seed: The same seed gives the same data, with the same release of Faker.

    Raises:
        MissingExtra: Faker is not installed.
    """
    try:
        from faker import Faker
    except ModuleNotFoundError:
        raise MissingExtra(f"the fake {fake!r} needs Faker: pip install 'pytest-mcpsym[fakes]'") from None
    faker = Faker("en_US")
    faker.seed_instance(seed)
    return faker

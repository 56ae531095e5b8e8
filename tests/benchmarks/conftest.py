"""Benchmarks judge simulated markets: nobody's trials."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def nothing_in_the_users_folder(home: Path) -> Iterator[None]:
    """Fail a benchmark that writes into the ledger of whoever runs it."""
    yield
    assert not home.exists()

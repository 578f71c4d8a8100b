"""A stack of real processes for each test."""

from collections.abc import Iterator

import pytest

from e2e.stack import Stack, stack


@pytest.fixture
def taskyard(database_url, postgresql, rabbitmq, tmp_path) -> Iterator[Stack]:
    """Nothing runs yet: the test starts what it needs."""
    with stack(database_url, postgresql, rabbitmq, tmp_path) as made:
        yield made

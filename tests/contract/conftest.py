"""Fixtures of the contract tests."""

import pytest

from tests.support.rows import renew


@pytest.fixture
def renewed(transactional_db: None) -> None:
    """For tests of plans: tables in which no earlier test has left anything to count."""
    renew()

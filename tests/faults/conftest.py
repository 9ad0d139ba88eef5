from collections.abc import Iterator

import pytest
from django.db import connection

from tests.support.proxy import Proxy, to_test_database


@pytest.fixture
def proxy(transactional_db: None) -> Iterator[Proxy]:
    """Between the workers that get its ``url`` and the server of the test database."""
    if connection.vendor == "sqlite":
        pytest.skip("a file has no network")
    proxy = to_test_database()
    yield proxy
    proxy.close()

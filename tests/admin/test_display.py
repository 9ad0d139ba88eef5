"""How numbers are shown."""

import pytest
from django.utils import translation

from django_jobs.admin.display import tenths


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0.0"),
        (0.0001, "< 0.1"),
        (0.049, "< 0.1"),
        (0.06, "0.1"),
        (221 / 60, "3.7"),
        (400 / 6, "66.7"),
        (99.96, "100.0"),
        (12345.67, "12345.7"),
    ],
)
def test_tenths_are_rounded(number: float, shown: str) -> None:
    assert tenths(number).replace(",", "") == shown


def test_tenths_of_other_languages() -> None:
    with translation.override("de"):
        assert (tenths(3.68), tenths(0.01)) == ("3,7", "< 0,1")

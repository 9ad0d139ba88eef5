"""The page of the overview says what the code does."""

import re
from pathlib import Path

from django.utils import translation

from django_jobs.admin import facts, overview, readings, trouble
from django_jobs.admin.paginator import COUNT_LIMIT, Count
from django_jobs.admin.periods import PERIODS
from django_jobs.figures import KEPT
from django_jobs.models.figures import SPANS
from django_jobs.tally import BUCKETS
from django_jobs.worker.tallies import MOST
from tests.docs.blocks import DOCS, table

PAGE = DOCS / "howto" / "overview.md"
TEXT = " ".join(PAGE.read_text().split())


def test_each_banner_is_explained() -> None:
    source = re.sub(r'"\s+"', "", Path(trouble.__file__).read_text())
    rows = [row[0] for row in table(PAGE, "## What needs a person")]
    for said in rows:
        # Words between what a banner puts into its sentence.
        parts = [part.strip() for part in said.split("…")]
        pattern = ".*".join(re.escape(part) for part in parts)
        assert re.search(pattern, source), said
    assert len(rows) == 11


def test_limits() -> None:
    with translation.override("en"):
        assert f"exact up to {Count(COUNT_LIMIT).text};" in TEXT
        assert f"the next {Count(readings.LOOKED_AT).text} scheduled jobs that are due" in TEXT
    assert f"more than {MOST} pairs of task and queue" in TEXT
    assert BUCKETS == 20
    assert "histograms of twenty buckets" in TEXT
    assert (overview.CAME_WITHIN.seconds, overview.DIED_WITHIN.seconds) == (5 * 60, 15 * 60)
    assert facts.LATE == 60


def test_how_long_rows_are_kept() -> None:
    assert [kept.total_seconds() / 3600 for kept in KEPT.values()] == [2, 25, 35 * 24]
    assert "older than 2 hours, 25 hours and 35 days" in TEXT
    assert (tuple(KEPT), SPANS) == ((60, 600, 3600), (60, 600, 3600))
    for period in PERIODS.values():
        assert period.length < KEPT[period.span], "a chart reads no row that may be gone"

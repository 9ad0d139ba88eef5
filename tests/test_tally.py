"""Tallies: that they merge, and that what is read off them is as exact as it is said to be."""

from bisect import bisect_left
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_jobs.tally import BOUNDS, BUCKETS, Tally, quantile

SECONDS = st.floats(0, 100_000, allow_nan=False)
ATTEMPTS = st.lists(st.tuples(SECONDS, SECONDS, st.booleans(), st.booleans()), max_size=40)


def tally(attempts: list[tuple[float, float, bool, bool]]) -> Tally:
    made = Tally()
    for run, wait, failed, dead in attempts:
        made.add(run, wait, failed=failed, dead=dead)
    return made


def merged(*tallies: Tally) -> Tally:
    total = Tally()
    for each in tallies:
        total.merge(each)
    return total


def assert_same(one: Tally, other: Tally) -> None:
    for name in Tally.__slots__:
        assert getattr(one, name) == pytest.approx(getattr(other, name)), name


@given(ATTEMPTS, ATTEMPTS, ATTEMPTS)
def test_merging_counts_what_all_have_counted_in_any_order(a, b, c) -> None:
    one, two, three = tally(a), tally(b), tally(c)
    whole = tally(a + b + c)
    assert_same(merged(one, merged(two, three)), whole)
    assert_same(merged(merged(one, two), three), whole)
    assert_same(merged(three, one, two), whole)


@given(ATTEMPTS, ATTEMPTS)
def test_merging_leaves_the_other_alone(a, b) -> None:
    one, two = tally(a), tally(b)
    before = deepcopy(two)
    one.merge(two)
    one.add(1, 1)
    assert two == before


@given(st.lists(SECONDS, min_size=1, max_size=60), st.floats(0, 1))
def test_a_quantile_lies_in_the_bucket_of_the_value_that_it_stands_for(values, share) -> None:
    made = tally([(value, 0.0, False, False) for value in values])
    found = made.run_quantile(share)
    assert found is not None
    # The smallest value that at least this share does not exceed.
    ordered = sorted(values)
    exact = next(v for n, v in enumerate(ordered, 1) if n >= share * len(ordered))
    bucket = bisect_left(BOUNDS, exact)
    low = BOUNDS[bucket - 1] if bucket else 0.0
    high = BOUNDS[bucket] if bucket < len(BOUNDS) else max(values)
    assert low <= found <= high or found == pytest.approx(max(values))
    assert found <= max(values)


@given(st.lists(SECONDS, min_size=1, max_size=60))
def test_quantiles_grow(values) -> None:
    made = tally([(value, 0.0, False, False) for value in values])
    found = [made.run_quantile(share / 20) for share in range(21)]
    assert found == sorted(found)
    assert found[-1] == pytest.approx(max(values))


def test_nothing_was_counted() -> None:
    assert Tally().run_quantile(0.5) is None
    assert Tally().wait_quantile(0.95) is None
    assert Tally().count == 0


def test_what_is_counted() -> None:
    made = tally([(0.004, 0.2, False, False), (40, 1, True, False), (2, 0, True, True)])
    assert (made.successes, made.failures, made.dead, made.count) == (1, 2, 1, 3)
    assert (made.run_sum, made.run_max) == (pytest.approx(42.004), 40)
    assert (made.wait_sum, made.wait_max) == (pytest.approx(1.2), 1)
    assert sum(made.runs) == sum(made.waits) == 3


def test_a_wait_that_two_clocks_disagree_about_is_none() -> None:
    made = tally([(1, -5, False, False)])
    assert (made.wait_sum, made.wait_max, made.waits[0]) == (0, 0, 1)


def test_a_bound_belongs_to_the_bucket_below_it() -> None:
    for number, bound in enumerate(BOUNDS):
        made = tally([(bound, 0, False, False)])
        assert made.runs.index(1) == number
    assert tally([(BOUNDS[-1] * 2, 0, False, False)]).runs[-1] == 1
    assert list(BOUNDS) == sorted(BOUNDS)


def test_values_are_spread_evenly_within_a_bucket() -> None:
    histogram = [0] * BUCKETS
    histogram[BOUNDS.index(2.0)] = 100  # from 1 to 2 seconds
    assert quantile(histogram, 0.5, 2.0) == pytest.approx(1.5)
    assert quantile(histogram, 0.95, 2.0) == pytest.approx(1.95)
    assert quantile(histogram, 0.95, 1.3) == 1.3, "never more than the longest"

"""What becomes of a job after an attempt: values and pure functions."""

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_jobs.exceptions import (
    LONGEST_DELAY,
    Cancel,
    CancelRequested,
    GiveUp,
    InvalidReturnValue,
    LeaseLost,
    Retry,
    ShuttingDown,
    Snooze,
    TimedOut,
)
from django_jobs.models import JobAttempt, Status
from django_jobs.policy import (
    RELEASED,
    SUCCEEDED,
    Backoff,
    Kind,
    Next,
    Outcome,
    Policy,
    after_interruption,
    after_loss,
    after_unavailable,
    decide,
)

POSITIVE = st.floats(min_value=1e-6, max_value=LONGEST_DELAY)
BACKOFFS = st.builds(
    lambda base, more, jitter: Backoff(base, min(base * more, LONGEST_DELAY), jitter),
    POSITIVE,
    st.floats(min_value=1, max_value=1e9),
    st.floats(min_value=0, max_value=1),
)
RANDOM = st.floats(min_value=0, max_value=1, exclude_max=True)
ATTEMPTS = st.integers(min_value=1, max_value=10_000)
FAST = Policy(max_attempts=3, backoff=Backoff(base=1, maximum=8, jitter=0))


class TestBackoff:
    @given(BACKOFFS, ATTEMPTS, RANDOM)
    def test_a_delay_is_within_the_jitter_and_the_maximum(self, backoff, attempt, random):
        delay = backoff.delay(attempt, lambda: random)
        # Powers of two are exact, so only the product can round.
        plain = min(backoff.base * 2.0 ** min(attempt - 1, 1000), backoff.maximum)
        slack = 1e-9 * plain
        assert plain * (1 - backoff.jitter) - slack <= delay <= plain * (1 + backoff.jitter) + slack
        assert 0 <= delay <= backoff.maximum

    @given(BACKOFFS, st.integers(min_value=1, max_value=9_999))
    def test_without_chance_delays_never_get_shorter(self, backoff, attempt):
        assert backoff.delay(attempt, lambda: 0.5) <= backoff.delay(attempt + 1, lambda: 0.5)

    def test_attempt_ten_thousand_does_not_overflow(self):
        assert Backoff(5, 3600, 0).delay(10_000) == 3600
        assert math.isfinite(Backoff(1e-300, LONGEST_DELAY, 1).delay(10**9))

    def test_the_delays_of_the_documentation(self):
        backoff = Backoff(base=5, maximum=60, jitter=0)
        assert [backoff.delay(n) for n in range(1, 7)] == [5, 10, 20, 40, 60, 60]

    def test_the_whole_range_of_the_jitter_is_used(self):
        backoff = Backoff(base=10, maximum=1000, jitter=0.2)
        assert backoff.delay(1, lambda: 0) == pytest.approx(8)
        assert backoff.delay(1, lambda: 0.999999) == pytest.approx(12, abs=0.001)
        assert len({backoff.delay(1) for _ in range(20)}) > 1

    @pytest.mark.parametrize(
        "figures",
        [
            {"base": 0},
            {"base": -1},
            {"base": math.nan},
            {"base": math.inf},
            {"base": 10, "maximum": 9},
            {"maximum": math.inf},
            {"maximum": math.nan},
            {"maximum": LONGEST_DELAY + 1},
            {"jitter": -0.1},
            {"jitter": 1.1},
            {"jitter": math.nan},
        ],
        ids=str,
    )
    def test_figures_out_of_range_are_refused(self, figures):
        with pytest.raises(ValueError, match="Backoff: "):
            Backoff(**figures)

    @pytest.mark.parametrize("attempt", [0, -1])
    def test_attempts_are_counted_from_one(self, attempt):
        with pytest.raises(ValueError, match="counted from 1"):
            Backoff().delay(attempt)


@pytest.mark.parametrize(
    ("waited", "delay"), [(0, 10), (99, 10), (1000, 100), (6000, 600), (86_399, 600)]
)
def test_what_no_worker_can_run_waits(waited, delay):
    outcome = after_unavailable("why", waited, grace=86_400)
    assert (outcome.kind, outcome.next, outcome.refund) == (Kind.SNOOZED, Next.SCHEDULED, True)
    assert outcome.reason == "why"
    assert delay * 0.8 <= outcome.delay <= min(delay * 1.2, 600)


@pytest.mark.parametrize("waited", [86_400, 1e9])
def test_what_no_worker_could_run_in_time_is_dead(waited):
    outcome = after_unavailable("why", waited, grace=86_400)
    assert (outcome.kind, outcome.next, outcome.refund) == (Kind.FAILED, Next.DEAD, False)


class TestPolicy:
    @pytest.mark.parametrize(
        "figures",
        [
            {"max_attempts": 0},
            {"max_attempts": 32768},
            {"max_attempts": 1.5},
            {"timeout": 0},
            {"timeout": -1},
            {"timeout": math.inf},
            {"timeout": math.nan},
            {"backoff": 5},
            {"backoff": None},
            {"retry_on": [ValueError]},
            {"retry_on": (ValueError("x"),)},
            {"retry_on": ValueError},
            {"give_up_on": ("ValueError",)},
            {"give_up_on": (int,)},
        ],
        ids=str,
    )
    def test_figures_out_of_range_are_refused(self, figures):
        (name,) = figures
        with pytest.raises(ValueError, match=name):
            Policy(**figures)

    def test_what_is_worth_another_attempt(self):
        assert Policy().is_retryable(ValueError())
        assert Policy(retry_on=(OSError,)).is_retryable(TimeoutError())
        assert not Policy(retry_on=(OSError,)).is_retryable(ValueError())
        assert not Policy(retry_on=()).is_retryable(ValueError())
        assert not Policy(give_up_on=(OSError,)).is_retryable(TimeoutError())
        both = Policy(retry_on=(OSError,), give_up_on=(TimeoutError,))
        assert both.is_retryable(OSError())
        assert not both.is_retryable(TimeoutError())


# fmt: off
TABLE = [
    # attempt of 3, raised                  kind             next             delay refund
    (1, None,                               Kind.SUCCEEDED,  Next.SUCCESSFUL, None, False),
    (3, None,                               Kind.SUCCEEDED,  Next.SUCCESSFUL, None, False),
    (1, ValueError(),                       Kind.FAILED,     Next.SCHEDULED,  1,    False),
    (2, ValueError(),                       Kind.FAILED,     Next.SCHEDULED,  2,    False),
    (3, ValueError(),                       Kind.FAILED,     Next.DEAD,       None, False),
    (4, ValueError(),                       Kind.FAILED,     Next.DEAD,       None, False),
    (1, SystemExit(),                       Kind.FAILED,     Next.SCHEDULED,  1,    False),
    (3, KeyboardInterrupt(),                Kind.FAILED,     Next.DEAD,       None, False),
    (1, TimedOut(),                         Kind.TIMED_OUT,  Next.SCHEDULED,  1,    False),
    (3, TimedOut(),                         Kind.TIMED_OUT,  Next.DEAD,       None, False),
    (1, Retry(),                            Kind.FAILED,     Next.SCHEDULED,  1,    False),
    (1, Retry(after=90),                    Kind.FAILED,     Next.SCHEDULED,  90,   False),
    (1, Retry(after=0),                     Kind.FAILED,     Next.SCHEDULED,  0,    False),
    (1, Retry(after=timedelta(minutes=1)),  Kind.FAILED,     Next.SCHEDULED,  60,   False),
    (3, Retry(after=90),                    Kind.FAILED,     Next.DEAD,       None, False),
    (1, Snooze(after=90),                   Kind.SNOOZED,    Next.SCHEDULED,  90,   True),
    (3, Snooze(after=90),                   Kind.SNOOZED,    Next.SCHEDULED,  90,   True),
    (1, GiveUp("why"),                      Kind.FAILED,     Next.DEAD,       None, False),
    (1, InvalidReturnValue("x", "y"),       Kind.FAILED,     Next.DEAD,       None, False),
    (1, Cancel("why"),                      Kind.CANCELLED,  Next.CANCELLED,  None, False),
    (3, CancelRequested(),                  Kind.CANCELLED,  Next.CANCELLED,  None, False),
    (3, ShuttingDown(),                     Kind.RELEASED,   Next.READY,      None, True),
]
# fmt: on


class TestDecide:
    @pytest.mark.parametrize(("attempt", "raised", "kind", "next_", "delay", "refund"), TABLE)
    def test_the_table(self, attempt, raised, kind, next_, delay, refund):
        outcome = decide(FAST, attempt, raised)
        assert (outcome.kind, outcome.next) == (kind, next_)
        assert (outcome.delay, outcome.refund) == (delay, refund)

    def test_a_lost_lease_decides_nothing(self):
        assert decide(FAST, 1, LeaseLost()) is None

    @pytest.mark.parametrize("steer", [GiveUp, Cancel])
    def test_a_reason_is_kept(self, steer):
        assert decide(FAST, 1, steer("no such order")).reason == "no such order"
        assert decide(FAST, 1, Snooze("busy", after=1)).reason == "busy"

    def test_steering_is_no_matter_of_retry_on(self):
        policy = Policy(retry_on=(), give_up_on=(Exception,))
        assert decide(policy, 1, Retry(after=1)).next is Next.SCHEDULED
        assert decide(policy, 1, Snooze(after=1)).next is Next.SCHEDULED
        assert decide(policy, 1, ValueError()).next is Next.DEAD

    @pytest.mark.parametrize(
        ("given", "delay"), [(7, 7), (0, 0), (0.5, 0.5), (timedelta(minutes=2), 120)]
    )
    def test_a_backoff_function_gives_the_delay(self, given, delay):
        seen = []

        def backoff(exception, task_result):
            seen.append((exception, task_result))
            return given

        error = ValueError()
        outcome = decide(Policy(backoff=backoff), 1, error, "the result")
        assert (outcome.next, outcome.delay) == (Next.SCHEDULED, delay)
        assert seen == [(error, "the result")]

    def test_a_backoff_function_may_give_up(self):
        outcome = decide(Policy(backoff=lambda exception, task_result: None), 1, ValueError())
        assert (outcome.next, outcome.reason) == (Next.DEAD, "the task's backoff gave up")

    @pytest.mark.parametrize(
        "given", [-1, math.nan, math.inf, 1e300, "soon", object(), timedelta.max, timedelta(-1)]
    )
    def test_a_delay_that_is_none_costs_no_attempt(self, given):
        policy = Policy(backoff=lambda exception, task_result: given)
        outcome = decide(policy, 1, ValueError())
        assert outcome.next is Next.SCHEDULED
        assert 0 < outcome.delay < 10
        assert "the task's backoff failed" in outcome.reason

    @pytest.mark.parametrize("error", [RuntimeError, SystemExit, KeyboardInterrupt])
    def test_a_backoff_that_raises_costs_no_attempt(self, error):
        def backoff(exception, task_result):
            raise error("broken")

        outcome = decide(Policy(backoff=backoff), 1, ValueError())
        assert outcome.next is Next.SCHEDULED
        assert "broken" in outcome.reason

    @given(st.integers(1, 20), st.integers(1, 25), st.sampled_from([row[1] for row in TABLE]))
    def test_a_job_is_never_tried_more_often_than_it_may(self, most, attempt, raised):
        outcome = decide(Policy(max_attempts=most), attempt, raised)
        if attempt >= most and outcome.next in (Next.SCHEDULED, Next.READY):
            assert outcome.refund


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 9), st.integers(1, 9))
def test_an_attempt_lost_alone_counts(attempt, most, crashes, most_crashes):
    outcome = after_loss(attempt, most, alone=True, crashes=crashes, max_crashes=most_crashes)
    assert (outcome.kind, outcome.refund) == (Kind.LOST, False)
    dead = attempt >= most or crashes >= most_crashes
    assert outcome.next is (Next.DEAD if dead else Next.READY)


@given(st.integers(1, 20), st.integers(2, 20), st.integers(1, 9))
def test_an_attempt_lost_with_others_is_given_back(attempt, most, crashes):
    outcome = after_loss(attempt, most, alone=False, crashes=crashes, max_crashes=1)
    assert (outcome.kind, outcome.next, outcome.refund) == (Kind.LOST, Next.READY, True)


def test_what_may_be_tried_only_once_is_dead_with_its_worker():
    outcome = after_loss(1, 1, alone=False, crashes=1, max_crashes=3)
    assert (outcome.next, outcome.refund) == (Next.DEAD, False)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 9), st.integers(1, 9))
def test_an_interruption_is_free_below_the_limit_and_counts_from_it_on(attempt, most, count, limit):
    outcome = after_interruption(attempt, most, interruptions=count, max_interruptions=limit)
    assert outcome.interrupted
    if count < limit:
        assert outcome is RELEASED
    else:
        assert (outcome.kind, outcome.refund, outcome.delay) == (Kind.FAILED, False, None)
        assert outcome.next is (Next.DEAD if attempt >= most else Next.READY)
        assert outcome.reason == f"interrupted {count} times in a row"


def test_the_words_are_those_of_the_rows():
    assert {each.value for each in Next} <= set(Status)
    assert {each.value for each in Kind} - {"SUCCEEDED"} == set(JobAttempt.Outcome)
    assert Outcome(Kind.SUCCEEDED, Next.SUCCESSFUL) == SUCCEEDED
    assert RELEASED.refund

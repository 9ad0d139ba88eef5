"""The cancellation token of one attempt."""

import threading
import time

import pytest

from django_jobs import CancelRequested, Interrupt, LeaseLost, ShuttingDown, TimedOut
from django_jobs.token import Token

INTERRUPTS = [CancelRequested, ShuttingDown, LeaseLost, TimedOut]


def test_nothing_ends_it_by_itself():
    token = Token()
    token.check()
    token.wait(0)
    assert token.interrupt is None
    assert token.remaining() is None


@pytest.mark.parametrize("interrupt", INTERRUPTS)
def test_it_raises_what_it_was_fired_with(interrupt):
    token = Token()
    token.fire(interrupt)
    for call in (token.check, lambda: token.wait(30), lambda: token.wait(0)):
        with pytest.raises(interrupt):
            call()


def test_the_first_reason_stays():
    token = Token()
    token.fire(ShuttingDown)
    token.fire(CancelRequested)
    assert token.interrupt is ShuttingDown


def test_a_lost_lease_overrides_any_other():
    token = Token(timeout=0)
    token.fire(ShuttingDown)
    token.fire(LeaseLost)
    token.fire(CancelRequested)
    assert token.interrupt is LeaseLost


def test_at_the_deadline_it_fires_by_itself():
    token = Token(timeout=0.05)
    assert 0 < token.remaining() <= 0.05
    began = time.monotonic()
    with pytest.raises(TimedOut):
        token.wait(30)
    assert 0.04 < time.monotonic() - began < 5
    assert token.remaining() == 0
    with pytest.raises(TimedOut):
        token.check()


def test_what_came_before_the_deadline_is_the_reason_after_it():
    token = Token(timeout=0)
    token.fire(CancelRequested)
    assert token.interrupt is CancelRequested


def test_a_wait_that_ends_before_the_deadline_returns():
    token = Token(timeout=30)
    began = time.monotonic()
    token.wait(0.05)
    assert 0.04 < time.monotonic() - began < 5


def test_a_wait_ends_as_soon_as_it_is_fired():
    token = Token()
    timer = threading.Timer(0.05, token.fire, [ShuttingDown])
    timer.start()
    began = time.monotonic()
    with pytest.raises(ShuttingDown):
        token.wait(30)
    assert time.monotonic() - began < 5
    timer.join(5)


@pytest.mark.parametrize("interrupt", INTERRUPTS)
def test_except_exception_does_not_swallow_it(interrupt):
    assert issubclass(interrupt, Interrupt)
    assert not issubclass(interrupt, Exception)
    assert interrupt.reason


def test_each_reason_is_its_own():
    assert len({interrupt.reason for interrupt in INTERRUPTS}) == len(INTERRUPTS)

"""What a worker believes of its lease."""

import time

from django_jobs.claim import Claim
from django_jobs.exceptions import LeaseLost
from django_jobs.ids import uuid7
from django_jobs.models import Job
from django_jobs.worker.board import Board
from django_jobs.worker.lease import Lease


def test_it_counts_from_when_its_renewal_was_sent() -> None:
    lease = Lease(30)
    assert lease.is_held
    assert lease.renew(time.monotonic() - 31)
    assert not lease.is_held


def test_a_renewal_in_time_leaves_no_gap() -> None:
    lease = Lease(30)
    claimed = time.monotonic()
    assert lease.renew(time.monotonic())
    assert lease.was_held_since(claimed)


def test_after_a_gap_what_was_claimed_before_is_in_doubt() -> None:
    lease = Lease(0.01)
    claimed = time.monotonic()
    time.sleep(0.02)
    assert not lease.was_held_since(claimed)
    lease._seconds = 30
    assert not lease.renew(time.monotonic())
    assert lease.is_held
    assert not lease.was_held_since(claimed)
    assert lease.was_held_since(time.monotonic())


def test_a_renewal_whose_answer_came_after_a_gap_may_have_come_after_another_worker() -> None:
    lease = Lease(0.01)
    claimed = sent = time.monotonic()
    time.sleep(0.02)
    lease._seconds = 30
    assert not lease.renew(sent)
    assert lease.is_held
    assert not lease.was_held_since(claimed)


def test_a_renewal_after_a_gap_ends_what_runs() -> None:
    board = Board(threads=1, lease=30)
    claim = Claim(Job(id=uuid7(), task_path="a.b", claim_no=1), uuid7(), "here:1")
    board.add([claim])
    board.lease_renewed(time.monotonic())
    assert claim.token.interrupt is None
    board.lease._until = time.monotonic()
    board.lease_renewed(time.monotonic())
    assert claim.token.interrupt is LeaseLost

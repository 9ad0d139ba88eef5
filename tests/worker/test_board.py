"""What one worker has claimed and not yet recorded."""

import threading
import time
from typing import Any

import pytest

from django_jobs.claim import Claim
from django_jobs.exceptions import LeaseLost, ShuttingDown
from django_jobs.ids import uuid7
from django_jobs.models import Job
from django_jobs.worker import line as line_module
from django_jobs.worker.board import UNRECORDED_MAX, Board
from django_jobs.worker.line import AHEAD_MAX


def claims(count: int) -> list[Claim]:
    return [
        Claim(Job(id=uuid7(), task_path="a.b", claim_no=1), uuid7(), "here:1") for _ in range(count)
    ]


class Clock:
    """Stands still but for the jobs that are run."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(line_module, "time", made)
    return made


def run_one(board: Board, seconds: float, clock: Clock | None = None) -> None:
    taken = board.take()
    assert isinstance(taken, Claim)
    if clock is not None:
        clock.now += seconds
    board.ran(taken, recording=True, seconds=seconds)
    board.recorded([taken])


def test_at_first_there_is_room_for_one_job_a_slot() -> None:
    board = Board(threads=4, lease=30)
    assert board.room() == (4, 0)
    board.add(claims(3))
    assert board.room() == (1, 0)
    board.take()
    assert board.room() == (1, 0), "it runs, and still has its slot"


def test_fast_jobs_are_claimed_ahead() -> None:
    board = Board(threads=2, lease=30)
    board.add(claims(1))
    run_one(board, seconds=0.01)
    assert board.room() == (2, 20), "100 ms of work at 10 ms a job and two threads"


def test_no_more_are_claimed_ahead_than_a_batch() -> None:
    board = Board(threads=2, lease=30)
    board.add(claims(1))
    run_one(board, seconds=0.00001)
    assert board.room() == (2, AHEAD_MAX)


def test_slow_jobs_are_not_claimed_ahead() -> None:
    board = Board(threads=2, lease=30)
    board.add(claims(1))
    run_one(board, seconds=3)
    assert board.room() == (2, 0)


def test_one_slow_job_counts_at_once(clock: Clock) -> None:
    board = Board(threads=1, lease=30)
    board.add(claims(21))
    for _ in range(20):
        run_one(board, 0.001, clock)
    assert board.room()[1] > 50
    run_one(board, 3, clock)
    assert board.room() == (1, 0)


def test_one_that_waited_for_its_turn_among_fast_ones_is_not_slow(clock: Clock) -> None:
    board = Board(threads=10, lease=30)
    board.add(claims(60))
    for n in range(60):
        clock.now += 0.0001
        taken = board.take()
        assert isinstance(taken, Claim)
        # Each tenth was in the middle of its work while the others had the interpreter.
        board.ran(taken, recording=False, seconds=0.0001 if n % 10 else 0.045)
    assert board.room() == (10, 1000)


def test_the_line_is_refilled_by_half_of_it() -> None:
    board = Board(threads=1, lease=30)
    board.add(claims(1))
    run_one(board, seconds=0.01)
    board.add(claims(11))
    board.take()
    assert board.room() == (0, 0), "one is running, ten stand in line"
    for _ in range(4):
        board._line.popleft()
    assert board.room() == (0, 0)
    board._line.popleft()
    assert board.room() == (0, 5)


def test_what_stands_in_line_too_long_is_given_back(monkeypatch: Any) -> None:
    board = Board(threads=1, lease=30)
    first, *others = claims(4)
    board.add([first, *others])
    assert board.take() is first
    assert board.stale() == []
    monkeypatch.setattr(line_module, "STALE_SECONDS", 0.0)
    assert board.stale() == others
    assert board.stale() == []
    assert not board.is_empty(), "they are to be recorded"
    for claim in others:
        board.recorded([claim])
    assert board.running() == [first]
    assert board.room() == (0, 0)


def test_nothing_is_claimed_past_the_lease() -> None:
    board = Board(threads=4, lease=0.01)
    time.sleep(0.02)
    assert not board.lease.is_held
    assert board.room() == (0, 0)
    (claim,) = claims(1)
    board.add([claim])
    board.fence_off()
    assert claim.token.interrupt is LeaseLost
    board.lease_renewed(time.monotonic() + 30)
    assert board.room() == (3, 0)


def test_outcomes_that_wait_for_the_database_hold_up_claims(clock: Clock) -> None:
    board = Board(threads=4, lease=30)
    many = claims(UNRECORDED_MAX + 5)
    board.add(many)
    for _ in many:
        taken = board.take()
        assert isinstance(taken, Claim)
        clock.now += 1
        board.ran(taken, recording=True, seconds=1)
    assert board.room() == (0, 0)
    board.recorded(many[:1])
    assert board.room() == (4, 0)


def test_calls_go_before_claims() -> None:
    board = Board(threads=1, lease=30)
    board.add(claims(1))
    called: list[str] = []
    board.recorded(claims(1), then=[lambda: called.append("it")])
    taken = board.take()
    assert callable(taken)
    taken()
    assert not board.is_empty()
    board.called()
    assert called == ["it"]
    assert isinstance(board.take(), Claim)


def test_withdraw_and_give_up() -> None:
    board = Board(threads=2, lease=30)
    running, mail, other = claims(3)
    mail.job.queue_name = "mail"
    board.add([running, mail, other])
    assert board.take() is running
    assert board.withdraw(lambda claim: claim.job.queue_name == "mail") == [mail]
    board.interrupt(ShuttingDown, lambda claim: True)
    assert running.token.interrupt is ShuttingDown
    assert other.token.interrupt is None
    assert board.give_up() == [other, running]
    assert board.take() is None, "nothing more is handed out"
    for claim in (running, mail, other):
        board.recorded([claim])
    assert board.is_empty()


@pytest.mark.parametrize("end", ["close", "add"])
def test_take_waits(end: str) -> None:
    board = Board(threads=1, lease=30)
    taken: list[Any] = []
    thread = threading.Thread(target=lambda: taken.append(board.take()))
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    (claim,) = claims(1)
    if end == "close":
        board.close()
    else:
        board.add([claim])
    thread.join(5)
    assert taken == [claim if end == "add" else None]


def test_an_older_claim_of_the_same_job_that_ends_takes_no_other_off_the_board() -> None:
    board = Board(threads=2, lease=30)
    (old,) = claims(1)
    new = Claim(Job(id=old.job.pk, task_path="a.b", claim_no=2), uuid7(), "here:1")
    board.add([old])
    assert board.take() is old
    board.add([new])  # it was rescued from here, and claimed here again
    assert board.take() is new
    assert board.claims() == {old, new}
    board.ran(old, recording=False, seconds=1)
    assert board.claims() == {new}, "it runs, so it is neither finished nor a stray"
    assert not board.is_empty()
    assert board.room() == (1, 0)


class TestAlone:
    """A job that a worker was lost with runs by itself."""

    def test_it_waits_until_nothing_else_is_there_and_nothing_is_claimed_meanwhile(self) -> None:
        board = Board(threads=2, lease=30)
        first, suspect = claims(2)
        board.add([first])
        assert board.take() is first
        board.set_apart(suspect, on_loop=False)
        assert board.room() == (0, 0)
        assert suspect in board.claims()
        board.ran(first, recording=True, seconds=3)
        assert board.running() == []
        board.recorded([first])
        assert board.take() is suspect
        assert (board.room(), board.coroutine_room()) == ((0, 0), 0)
        board.ran(suspect, recording=True, seconds=3)
        assert board.room() == (0, 0), "a loss before the record would still be its own"
        board.recorded([suspect])
        assert board.room() == (2, 0)

    def test_on_an_empty_board_it_starts_at_once(self) -> None:
        board = Board(threads=2, lease=30)
        (suspect,) = claims(1)
        board.set_apart(suspect, on_loop=False)
        assert board.take() is suspect

    def test_a_coroutine_job_waits_for_the_threads_too(self) -> None:
        board = Board(threads=2, lease=30, coroutines=5)
        first, suspect = claims(2)
        board.add([first])
        board.take()
        board.set_apart(suspect, on_loop=True)
        assert board.loop.take() == []
        board.ran(first, recording=True, seconds=1)
        board.recorded([first])
        assert board.loop.take() == [suspect]

    @pytest.mark.parametrize("on_loop", [False, True])
    def test_it_starts_also_where_what_ran_before_has_lost_its_claim(self, on_loop: bool) -> None:
        board = Board(threads=1, lease=30, coroutines=1)
        thread, coroutine, suspect = claims(3)
        board.add([thread])
        assert board.take() is thread
        board.loop.add([coroutine])
        assert board.loop.take() == [coroutine]
        board.set_apart(suspect, on_loop=on_loop)
        board.ran(thread, recording=False, seconds=1)
        assert board.loop.ran(coroutine, recording=False)
        board.wait_for_room(0.01)  # as the claimer does meanwhile
        if on_loop:
            assert board.loop.take() == [suspect]
        else:
            assert board.busy_threads() == 1, "else the next line would wait for ever"
            assert board.take() is suspect

    def test_one_that_loses_its_claim_leaves_the_board_free(self) -> None:
        board = Board(threads=2, lease=30)
        board.set_apart(*claims(1), on_loop=False)
        taken = board.take()
        assert isinstance(taken, Claim)
        board.ran(taken, recording=False, seconds=3)
        assert board.room() == (2, 0)

    def test_a_stop_gives_it_back_like_any_other(self) -> None:
        board = Board(threads=2, lease=30)
        first, suspect = claims(2)
        board.add([first])
        board.take()
        board.set_apart(suspect, on_loop=False)
        assert not board.is_empty()
        assert board.withdraw(lambda claim: True) == [suspect]
        board.set_apart(suspect, on_loop=False)
        assert set(board.give_up()) == {first, suspect}


def test_whoever_waits_sees_in_time_that_the_line_does_not_move(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line_module, "STALE_SECONDS", 0.1)
    board = Board(threads=1, lease=30)
    board.add(claims(1))
    started = time.monotonic()
    assert not board.wait(60)
    assert time.monotonic() - started < 30

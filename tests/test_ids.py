"""UUIDv7."""

import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from django_jobs import ids
from django_jobs.ids import first_uuid7, uuid7


def milliseconds(value: uuid.UUID) -> int:
    return value.int >> 80


def test_version_and_variant():
    for _ in range(1000):
        made = uuid7()
        assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_it_holds_the_time():
    before = time.time_ns() // 1_000_000
    made = milliseconds(uuid7())
    assert before <= made <= time.time_ns() // 1_000_000 + 1


def test_each_is_greater_than_the_one_before():
    made = [uuid7() for _ in range(20_000)]
    assert all(a < b for a, b in pairwise(made))
    assert [str(each) for each in made] == sorted(str(each) for each in made)


def test_even_where_the_clock_stands_still_or_goes_back(monkeypatch):
    now = time.time_ns() + 3_600_000_000_000
    times = iter([now, now, now, now - 10**12, now + 1])
    monkeypatch.setattr(ids.time, "time_ns", lambda: next(times))
    monkeypatch.setattr(ids, "_last", 0)
    made = [uuid7() for _ in range(5)]
    assert made == sorted(set(made))
    assert all((each.version, each.variant) == (7, uuid.RFC_4122) for each in made)


def test_in_every_thread_and_without_a_duplicate():
    made: list[list[uuid.UUID]] = [[] for _ in range(8)]
    start = threading.Barrier(len(made))

    def make(into: list[uuid.UUID]) -> None:
        start.wait(10)
        into.extend(uuid7() for _ in range(2000))

    threads = [threading.Thread(target=make, args=[each]) for each in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert all(each == sorted(each) for each in made)
    assert len({each for some in made for each in some}) == 16_000


def test_the_first_of_a_moment_is_before_all_of_it_and_after_all_earlier():
    now = datetime.now(UTC)
    first = first_uuid7(now)
    assert (first.version, first.variant) == (7, uuid.RFC_4122)
    assert first <= uuid7()
    assert first_uuid7(now + timedelta(seconds=60)) > uuid7()
    assert first_uuid7(datetime(1900, 1, 1, tzinfo=UTC)).int >> 80 == 0

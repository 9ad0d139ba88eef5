"""The lock that is not handed over."""

import threading

from django_jobs.worker.turnstile import Turnstile

PATIENCE = 20  # seconds


def test_one_at_a_time() -> None:
    lock = Turnstile()
    inside: list[int] = []
    most: list[int] = []

    def go_through() -> None:
        for n in range(2000):
            with lock:
                inside.append(n)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=go_through) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(most) == 16_000
    assert set(most) == {1}


def test_who_does_not_want_to_wait_does_not() -> None:
    lock = Turnstile()
    assert lock.acquire()
    assert not lock.acquire(False)
    lock.release()
    assert lock.acquire(False)


def test_an_error_inside_gives_it_back() -> None:
    lock = Turnstile()
    try:
        with lock:
            raise ValueError
    except ValueError:
        pass
    assert lock.acquire(False)


def test_a_place_to_wait() -> None:
    lock = Turnstile()
    news = lock.condition()
    told: list[str] = []

    def wait() -> None:
        with lock:
            told.append("waits")
            assert news.wait_for(lambda: "go" in told, PATIENCE)
            told.append("gone")

    thread = threading.Thread(target=wait)
    thread.start()
    while True:
        with lock:
            if told:
                told.append("go")
                news.notify()
                break
    thread.join(PATIENCE)
    assert told == ["waits", "go", "gone"]

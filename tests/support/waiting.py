import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

INTERVAL = 0.02  # seconds


def wait_until(
    predicate: Callable[[], T],
    timeout: float = 50,
    message: str | Callable[[], str] = "",
) -> T:
    """Call `predicate` until it returns something true, and return that.

    The default is for a machine that is busy, and shorter than the minute that jobs take in tests
    which must not wait for them.

    After `timeout` seconds raise AssertionError. `message` says what was waited for; a callable
    is asked at the end, so that it can show the state at that time.
    """
    deadline = time.monotonic() + timeout
    while True:
        if result := predicate():
            return result
        if time.monotonic() > deadline:
            text = message() if callable(message) else message
            raise AssertionError(f"nothing after {timeout} s: {text or predicate}")
        time.sleep(INTERVAL)

"""What every contender runs: note that it ran, then perhaps sleep."""

import asyncio
import time

from .ledger import record


def work(number: int, milliseconds: int = 0) -> None:
    record(number)
    if milliseconds:
        time.sleep(milliseconds / 1000)


async def work_async(number: int, milliseconds: int = 0) -> None:
    """The same for contenders whose native form of a task is a coroutine."""
    record(number)
    if milliseconds:
        await asyncio.sleep(milliseconds / 1000)

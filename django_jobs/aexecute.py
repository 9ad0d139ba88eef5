"""
The twin of ``execute`` for tasks that are coroutines. Nothing here writes to the job's row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from .arguments import handed_over
from .claim import Claim
from .compat import task_started
from .context import Report, enter
from .exceptions import Interrupt, TimedOut
from .execute import Attempt
from .record import Finished
from .signals import has_receivers

if TYPE_CHECKING:
    from .backend import DatabaseBackend


async def aexecute(
    claim: Claim,
    backend: DatabaseBackend,
    *,
    guard: AbstractAsyncContextManager[None],
    report: Report | None = None,
) -> Finished | None:
    """
    As ``execute()``, for a task that is a coroutine, within the ``asyncio.Task`` of the
    caller, whose context it is to have for itself. When the claim's token fires, the task is
    cancelled at its ``await``; the outcome is what the token says.
    """
    return await _AsyncAttempt(claim, backend, report).arun(guard)


class _AsyncAttempt(Attempt):
    async def arun(self, guard: AbstractAsyncContextManager[None]) -> Finished | None:
        """Run the task in this asyncio task."""
        value: Any = None
        exception: BaseException | None = None
        try:
            async with guard:
                value = await self._call()
            value = self.checked(value)
        except BaseException as error:
            exception = self._interrupted(error)
        await _take_cancellation()
        is_failure = exception is not None and not isinstance(exception, Interrupt)
        if not (is_failure or isinstance(exception, TimedOut)):
            return self.end(value, exception)
        # The task's backoff may be a function that waits for the database.
        return await asyncio.to_thread(self.end, value, exception)

    async def _call(self) -> Any:
        task = self.begin()
        with self._cancelled_by_token():
            if has_receivers(task_started):
                await asyncio.to_thread(self.announce)
            else:
                self.announce()
            context = self.context()
            args = (context,) if task.takes_context else ()
            enter(context)
            own, named = handed_over(self.claim.job.args, self.claim.job.kwargs)
            return await task.acall(*args, *own, **named)

    @contextmanager
    def _cancelled_by_token(self) -> Iterator[None]:
        """Cancel this asyncio task, once, when the token fires or its time is up."""
        loop, running, token = asyncio.get_running_loop(), asyncio.current_task(), self.claim.token

        def cancel() -> None:
            nonlocal running
            if running is not None:
                running.cancel()
                running = None

        def fired() -> None:
            if running is not None:
                with suppress(RuntimeError):  # the loop has been closed meanwhile
                    loop.call_soon_threadsafe(cancel)

        token.on_fire = fired
        remaining = token.remaining()
        timer = None if remaining is None else loop.call_later(remaining, cancel)
        try:
            token.check()  # it may have been fired before anybody listened
            yield
        finally:
            running = None
            token.on_fire = None
            if timer is not None:
                timer.cancel()

    def _interrupted(self, error: BaseException) -> BaseException:
        """What ended the attempt: the token's reason for a cancellation, if it has one."""
        interrupt = self.claim.token.interrupt
        if not isinstance(error, asyncio.CancelledError) or interrupt is None:
            return error
        reason = interrupt()
        reason.__cause__ = error  # it knows where the task was
        return reason


async def _take_cancellation() -> None:
    """Let a cancellation arrive that no ``await`` of the task has met, and be done with it."""
    running = asyncio.current_task()
    if running is not None and running.cancelling():
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)

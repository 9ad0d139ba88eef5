"""
How a project uses the public names, under mypy's strict mode. A line that ends with
``# error: CODE`` is a mistake that mypy must find as such, and there must be no others.
"""

from datetime import timedelta

from django_jobs import (
    Backoff,
    GiveUp,
    JobContext,
    Retry,
    Snooze,
    current_job,
    enqueue_many,
    enqueue_on_commit,
    job,
    on_commit,
)


@job
def plain(order_id: int) -> str:
    return str(order_id)


@job(
    queue_name="mail",
    priority=10,
    max_attempts=8,
    timeout=30,
    backoff=Backoff(base=5, maximum=600, jitter=0.2),
    give_up_on=(ValueError,),
    tags=("billing", "mail"),
)
def send_invoice(order_id: int, copy_to: str = "") -> None: ...


@job(
    takes_context=True, tags=("slow",), backoff=lambda exception, task_result: timedelta(minutes=1)
)
def with_context(context: JobContext, order_id: int) -> int:
    context.check()
    context.wait(1.5)
    context.progress(1, 2, "half")
    remaining: float | None = context.remaining()
    fence: int = context.fence
    return fence + int(remaining or 0)


@job
async def coroutine(order_id: int) -> None: ...


@job(unique=True)
def refresh(order_id: int) -> None: ...


@job(unique=("order_id",), takes_context=True)
def refresh_with_context(context: JobContext, order_id: int) -> None: ...


def right() -> None:
    plain.enqueue(1)
    plain.enqueue(order_id=1)
    send_invoice.enqueue(1, copy_to="a@example.com")
    with_context.enqueue(order_id=1)
    coroutine.enqueue(1)
    refresh.enqueue(1)
    refresh_with_context.enqueue(order_id=1)
    text: str = plain.call(1)
    job_id: str | None = enqueue_on_commit(send_invoice, order_id=1)
    job_id = on_commit(send_invoice, using="other").enqueue(order_id=1)
    ids: list[str] = enqueue_many(send_invoice, [{"order_id": 1}, [2]])
    plain.using(priority=5).enqueue(1)
    current_job().check()
    print(text, job_id, ids)


def wrong() -> None:
    plain.enqueue("x")  # error: arg-type
    plain.enqueue()  # error: call-arg
    plain.enqueue(1, 2)  # error: call-arg
    send_invoice.enqueue(order_id="x")  # error: arg-type
    send_invoice.enqueue(order=1)  # error: call-arg
    with_context.enqueue("x")  # error: arg-type
    with_context.enqueue(1, 2)  # error: call-arg
    coroutine.enqueue("x")  # error: arg-type
    plain.using(priority=5).enqueue("x")  # error: arg-type
    enqueue_on_commit(send_invoice, order_id="x")  # error: arg-type
    enqueue_on_commit(with_context)  # error: call-arg
    on_commit(send_invoice).enqueue(order_id="x")  # error: arg-type
    on_commit(with_context, using="other").enqueue()  # error: call-arg
    number: int = plain.call(1)  # error: assignment
    print(number)


def wrong_steering() -> None:
    Snooze("why")  # error: call-arg
    Retry(after="soon")  # error: arg-type
    GiveUp(5)  # error: arg-type
    Backoff(base="5")  # error: arg-type


@job(tags="billing")  # error: call-overload, untyped-decorator
def one_tag() -> None: ...


@job(max_attempts="8")  # error: call-overload, untyped-decorator
def wrong_figure() -> None: ...


@job(unique="order_id")  # error: call-overload, untyped-decorator
def wrong_key(order_id: int) -> None: ...


@job(takes_context=True)  # error: arg-type
def wrong_context(context: int) -> None: ...

"""Confirming a payment: the order and its jobs, both or neither."""

import pytest
from django.db import transaction
from shop.models import Order
from shop.services import OrderNotPending, confirm_payment, place_order

from django_jobs.compat import TaskResultStatus
from django_jobs.models import Job


def test_an_order_has_its_lines_and_their_total(order):
    assert str(order.total) == "54.50"
    assert order.lines.count() == 2
    assert order.is_pending


def test_references_differ(db):
    references = {place_order("A", "a@example.com", {}).reference for _ in range(20)}
    assert len(references) == 20


def test_confirming_makes_the_order_paid_and_enqueues_its_jobs(order):
    confirmed = confirm_payment(order)
    assert confirmed.status == Order.Status.PAID
    assert confirmed.paid_at
    assert sorted(Job.objects.values_list("task_path", "kwargs__order_id")) == [
        ("shop.tasks.draw_invoice", order.pk),
        ("shop.tasks.notify_team", order.pk),
    ]
    assert {job.result_id for job in order.jobs.all()} == {str(job.pk) for job in Job.objects.all()}


@pytest.mark.parametrize("status", ["PAID", "CANCELLED"])
def test_only_a_pending_order_can_be_confirmed(order, status):
    Order.objects.filter(pk=order.pk).update(status=status, paid_at=order.placed_at)
    with pytest.raises(OrderNotPending) as caught:
        confirm_payment(order)
    assert caught.value.order == order
    assert not Job.objects.exists()


def test_a_second_confirmation_with_an_old_copy_of_the_order_is_refused(order):
    stale = Order.objects.get(pk=order.pk)
    confirm_payment(order)
    with pytest.raises(OrderNotPending):
        confirm_payment(stale)
    assert Job.objects.count() == 2


def test_a_rollback_leaves_no_job_and_no_payment(order):
    with transaction.atomic():
        confirm_payment(order)
        transaction.set_rollback(True)
    order.refresh_from_db()
    assert order.is_pending
    assert not Job.objects.exists()
    assert not order.jobs.exists()


def test_an_enqueue_that_fails_leaves_the_order_pending(order, monkeypatch):
    def fail(self, *args, **kwargs):
        raise RuntimeError("the second job can't be enqueued")

    monkeypatch.setattr("shop.tasks.notify_team", type("Broken", (), {"enqueue": fail})())
    with pytest.raises(RuntimeError):
        confirm_payment(order)
    order.refresh_from_db()
    assert order.is_pending
    assert not Job.objects.exists()


def test_the_jobs_go_where_they_belong(order):
    confirm_payment(order)
    queues = dict(Job.objects.values_list("task_path", "queue_name"))
    assert queues == {"shop.tasks.draw_invoice": "default", "shop.tasks.notify_team": "notify"}
    from shop import tasks

    result = tasks.draw_invoice.get_result(order.jobs.get(task="draw_invoice").result_id)
    assert result.status == TaskResultStatus.READY

"""The same tasks, unchanged, on each tasks backend there is."""

from shop.drill.servers import Refusal
from shop.models import Invoice
from shop.progress import job_states
from shop.services import confirm_payment

from django_jobs.compat import TaskResultStatus, task_backends


def test_on_the_immediate_backend_all_is_done_at_once(
    tasks_backend, order, mail_server, webhook_server
):
    tasks_backend("immediate")
    confirm_payment(order)
    assert mail_server.book.accepted() == {order.email: 1}
    assert webhook_server.book.accepted() == {order.reference: 1}
    assert Invoice.objects.get(order=order).sent_at
    assert sorted(order.jobs.values_list("task", flat=True)) == [
        "draw_invoice",
        "notify_team",
        "send_invoice",
    ]
    assert {state.status for state in job_states(order)} == {"Not kept by this backend"}


def test_on_the_immediate_backend_a_failure_leaves_the_order_paid(
    tasks_backend, order, mail_server, webhook_server
):
    tasks_backend("immediate")
    mail_server.book.refusals[order.email] = Refusal(550)
    assert not confirm_payment(order).is_pending
    assert Invoice.objects.get(order=order).sent_at is None


def test_on_the_dummy_backend_nothing_runs_and_everything_is_recorded(tasks_backend, order):
    tasks_backend("dummy")
    confirm_payment(order)
    results = task_backends["default"].results
    assert [result.task.name for result in results] == ["draw_invoice", "notify_team"]
    assert not Invoice.objects.exists()
    assert {state.kind for state in job_states(order)} == {TaskResultStatus.READY.lower()}

"""What the shop does. Views, the admin and commands call this and nothing else."""

from django.db import transaction
from django.utils import timezone

from . import tasks
from .models import Order, OrderLine


class OrderNotPending(Exception):
    """The payment of ``order`` can't be confirmed: it is paid or cancelled already."""

    def __init__(self, order: Order) -> None:
        super().__init__(f"Order {order} is {order.status}, not {Order.Status.PENDING}.")
        self.order = order


@transaction.atomic
def confirm_payment(order: Order) -> Order:
    """
    Make ``order`` paid, and have everything done that follows from it.

    The jobs are rows in the same transaction: a paid order has its jobs, and an order whose
    confirmation was rolled back has none.

    Raises ``OrderNotPending``. Of two confirmations at once, one gets that: select_for_update
    makes the second wait, and on SQLite, which has no row locks, BEGIN IMMEDIATE does.
    """
    order = Order.objects.select_for_update().get(pk=order.pk)
    if not order.is_pending:
        raise OrderNotPending(order)
    order.status = Order.Status.PAID
    order.paid_at = timezone.now()
    order.save(update_fields=["status", "paid_at"])
    order.track(tasks.draw_invoice.enqueue(order_id=order.pk))
    order.track(tasks.notify_team.enqueue(order_id=order.pk))
    return order


@transaction.atomic
def place_order(customer: str, email: str, lines: dict[str, tuple[int, str]], **fields) -> Order:
    """A new order; ``lines`` maps a description to its quantity and unit price."""
    order = Order.objects.create(customer=customer, email=email, **fields)
    OrderLine.objects.bulk_create(
        OrderLine(order=order, description=description, quantity=quantity, unit_price=price)
        for description, (quantity, price) in lines.items()
    )
    return order

"""
The shop's background jobs: ordinary Django tasks, which run on any tasks backend.

A job may run more than once: a worker can be killed after the work and before the note that
it was done. So each task makes sure that its work, done already, is not done again.
"""

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from django_jobs import Backoff, job

from . import mail, pdf, webhook
from .models import Invoice, Order

BACKOFF = Backoff(base=settings.SHOP_RETRY_BASE, maximum=600, jitter=0.2)


@job(priority=20, timeout=60)
def draw_invoice(order_id: int) -> str:
    """Draw the invoice of a paid order and have it sent. Returns its number."""
    order = Order.objects.get(pk=order_id)
    number = f"INV-{order.reference}"
    # Drawn before the transaction begins: drawing takes time, and locks should not.
    document = pdf.draw_invoice(order, number)
    with transaction.atomic():
        invoice, created = Invoice.objects.get_or_create(
            order=order, defaults={"number": number, "pdf": document}
        )
        # Enqueued with the row, so that a second run finds either both or neither.
        if created:
            order.track(send_invoice.enqueue(invoice_id=invoice.pk))
    return invoice.number


@job(
    queue_name="mail",
    priority=10,
    max_attempts=settings.SHOP_MAX_ATTEMPTS,
    timeout=30,
    backoff=BACKOFF,
    give_up_on=(mail.BadAddress,),
)
def send_invoice(invoice_id: int) -> str:
    """
    E-mail the invoice, once. Returns the mail's Message-ID.

    "Once" can't be promised to the last: no transaction spans a mail server and a database,
    so a crash after the server has accepted the mail and before ``sent_at`` is committed
    sends it a second time. What narrows that:

    - the mark is the very next statement, in a transaction of its own, before the tasks
      backend even learns that the task has ended;
    - the Message-ID is the same each time, so mail systems that drop copies can do so, and a
      person who gets two can see that they are one.

    The other order, marking first, would lose mails instead; an invoice twice does less harm.
    """
    invoice = Invoice.objects.select_related("order").get(pk=invoice_id)
    if invoice.sent_at is None:
        mail.send_invoice(invoice)
        invoice.sent_at = timezone.now()
        invoice.save(update_fields=["sent_at"])
    return mail.message_id(invoice)


@job(
    queue_name="notify",
    max_attempts=settings.SHOP_MAX_ATTEMPTS,
    timeout=30,
    backoff=BACKOFF,
    give_up_on=(webhook.Refused,),
)
def notify_team(order_id: int) -> None:
    """Tell the team about a paid order. As with the mail, the mark follows the effect."""
    order = Order.objects.get(pk=order_id)
    if order.team_notified_at is None:
        webhook.post_order(order)
        order.team_notified_at = timezone.now()
        order.save(update_fields=["team_notified_at"])

"""Orders, their invoices, and which jobs work for which order."""

from decimal import Decimal

from django.db import models
from django.urls import reverse
from django.utils.crypto import get_random_string
from django.utils.translation import gettext_lazy as _

READABLE = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # nothing that is misread on the telephone


def new_reference() -> str:
    return get_random_string(8, READABLE)


class Order(models.Model):
    class Status(models.TextChoices):
        PENDING = "PENDING", _("Waiting for payment")
        PAID = "PAID", _("Paid")
        CANCELLED = "CANCELLED", _("Cancelled")

    reference = models.CharField(_("reference"), max_length=32, unique=True, default=new_reference)
    customer = models.CharField(_("customer"), max_length=200)
    email = models.EmailField(_("e-mail"))
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.PENDING
    )
    placed_at = models.DateTimeField(_("placed at"), auto_now_add=True)
    paid_at = models.DateTimeField(_("paid at"), null=True, blank=True, editable=False)
    team_notified_at = models.DateTimeField(
        _("team notified at"), null=True, blank=True, editable=False
    )

    class Meta:
        ordering = ["-id"]
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        permissions = [("confirm_payment", _("Can confirm the payment of an order"))]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(status="PAID") | models.Q(paid_at__isnull=False),
                name="shop_paid_order_has_a_date",
            )
        ]

    def __str__(self) -> str:
        return self.reference

    def get_absolute_url(self) -> str:
        return reverse("shop:order", args=[self.reference])

    @property
    def is_pending(self) -> bool:
        return self.status == self.Status.PENDING

    @property
    def total(self) -> Decimal:
        return sum((line.total for line in self.lines.all()), Decimal("0.00"))

    def track(self, result) -> None:
        """Note that the job behind ``result`` (a ``TaskResult``) works for this order."""
        self.jobs.create(task=result.task.name, result_id=result.id)


class OrderLine(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines", verbose_name=_("order"))
    description = models.CharField(_("description"), max_length=200)
    quantity = models.PositiveIntegerField(_("quantity"), default=1)
    unit_price = models.DecimalField(_("unit price"), max_digits=10, decimal_places=2)

    class Meta:
        ordering = ["id"]
        verbose_name = _("line")
        verbose_name_plural = _("lines")
        constraints = [
            models.CheckConstraint(condition=models.Q(quantity__gt=0), name="shop_quantity_gt_0")
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.description}"

    @property
    def total(self) -> Decimal:
        return self.quantity * self.unit_price


class Invoice(models.Model):
    """
    One per order, whatever is tried twice: the database says so, not the code.

    The PDF is in the row and not in a file: so it is there if, and only if, the row is.
    """

    order = models.OneToOneField(
        Order, models.PROTECT, related_name="invoice", verbose_name=_("order")
    )
    number = models.CharField(_("number"), max_length=40, unique=True)
    pdf = models.BinaryField(_("PDF"))
    drawn_at = models.DateTimeField(_("drawn at"), auto_now_add=True)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("invoice")
        verbose_name_plural = _("invoices")

    def __str__(self) -> str:
        return self.number


class OrderJob(models.Model):
    """
    A job that works for an order, written in the transaction that enqueues it.

    Only the task's name and the result's id are kept: all else is asked of the tasks
    backend, so that the page tells the truth with any of them (see progress.py).
    """

    order = models.ForeignKey(Order, models.CASCADE, related_name="jobs", verbose_name=_("order"))
    task = models.CharField(_("task"), max_length=100)
    result_id = models.CharField(_("result id"), max_length=64)

    class Meta:
        ordering = ["id"]
        verbose_name = _("job of an order")
        verbose_name_plural = _("jobs of orders")
        constraints = [
            models.UniqueConstraint(fields=["task", "result_id"], name="shop_one_row_per_job")
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.result_id}"

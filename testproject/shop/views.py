"""The shop's back office: staff only, behind the admin's own login."""

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from .models import Invoice, Order
from .progress import job_states
from .services import OrderNotPending, confirm_payment, place_order

PAGE_SIZE = 20


def staff_with(permission: str):
    """Others are sent to log in; staff without ``permission`` are refused."""

    def decorate(view):
        return staff_member_required(permission_required(permission, raise_exception=True)(view))

    return decorate


@require_safe
@staff_with("shop.view_order")
def order_list(request: HttpRequest) -> HttpResponse:
    orders = Order.objects.prefetch_related("jobs", "lines")
    page = Paginator(orders, PAGE_SIZE).get_page(request.GET.get("page"))
    rows = [(order, job_states(order)) for order in page]
    return render(request, "shop/orders.html", {"page": page, "rows": rows})


@require_safe
@staff_with("shop.view_order")
def order_detail(request: HttpRequest, reference: str) -> HttpResponse:
    order = get_object_or_404(Order, reference=reference)
    invoice = Invoice.objects.filter(order=order).defer("pdf").first()
    context = {"order": order, "invoice": invoice, "jobs": job_states(order)}
    return render(request, "shop/order.html", context)


@require_safe
@staff_with("shop.view_order")
def invoice_pdf(request: HttpRequest, reference: str) -> HttpResponse:
    invoice = get_object_or_404(Invoice, order__reference=reference)
    return HttpResponse(
        bytes(invoice.pdf),
        content_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{invoice.number}.pdf"'},
    )


@require_POST
@staff_with("shop.confirm_payment")
def confirm(request: HttpRequest, reference: str) -> HttpResponse:
    order = get_object_or_404(Order, reference=reference)
    try:
        confirm_payment(order)
    except OrderNotPending:
        messages.warning(request, _("This order is not waiting for payment."))
    else:
        messages.success(request, _("Payment confirmed."))
    return redirect(order)


@require_POST
@staff_with("shop.add_order")
def place_sample(request: HttpRequest) -> HttpResponse:
    """So that there is something to confirm when trying the shop out."""
    order = place_order(
        "Sample Customer",
        "customer@example.com",
        {"Teapot": (1, "24.00"), "Green tea, 100 g": (2, "6.50")},
    )
    return redirect(order)

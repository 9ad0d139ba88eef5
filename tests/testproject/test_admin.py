"""Orders in the admin."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from shop.models import Order
from shop.services import place_order

from django_jobs.models import Job

pytestmark = [pytest.mark.urls("config.urls"), pytest.mark.django_db]

URL = "/admin/shop/order/"


def confirm(client: Client, *orders: Order) -> str:
    data = {"action": "confirm_payments", "_selected_action": [order.pk for order in orders]}
    return client.post(URL, data, follow=True).content.decode()


def test_the_action_confirms_what_waits_and_says_what_it_skipped(staff):
    orders = [place_order("A", "a@example.com", {}) for _ in range(3)]
    assert "2 payments confirmed." in confirm(staff, *orders[:2])
    html = confirm(staff, *orders)
    assert "1 payment confirmed." in html
    assert "2 orders were not waiting for payment." in html
    assert Job.objects.count() == 6
    assert LogEntry.objects.count() == 3


def test_the_action_needs_its_permission(order):
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.add(
        *Permission.objects.filter(codename__in=["view_order", "change_order"])
    )
    client = Client()
    client.force_login(user)
    assert "confirm_payments" not in client.get(URL).content.decode()
    confirm(client, order)
    order.refresh_from_db()
    assert order.is_pending
    assert not Job.objects.exists()


def test_the_status_is_not_changed_by_hand(staff, order):
    url = f"{URL}{order.pk}/change/"
    html = staff.get(url).content.decode()
    assert 'name="status"' not in html
    assert 'name="customer"' in html


def test_an_invoice_can_be_seen_and_not_changed(staff, order):
    from shop.services import confirm_payment
    from shop.tasks import draw_invoice

    confirm_payment(order)
    draw_invoice.call(order_id=order.pk)
    html = staff.get("/admin/shop/invoice/").content.decode()
    assert f"INV-{order.reference}" in html
    assert staff.get("/admin/shop/invoice/add/").status_code == 403

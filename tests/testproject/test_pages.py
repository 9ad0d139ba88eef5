"""The pages: who may see them, what they show, and what they may not contain."""

import re
from http import HTTPStatus

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from shop.models import Order
from shop.services import confirm_payment, place_order
from shop.tasks import draw_invoice

from django_jobs.models import Job

pytestmark = [pytest.mark.urls("config.urls"), pytest.mark.django_db]

LIST = "/"


@pytest.fixture
def clerk() -> Client:
    """Staff that may look, and nothing else."""
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_order"))
    client = Client()
    client.force_login(user)
    return client


def page(client: Client, url: str, status: HTTPStatus = HTTPStatus.OK) -> str:
    response = client.get(url)
    assert response.status_code == status
    return response.content.decode()


# What they show


def test_with_no_orders_the_list_says_what_to_do(staff):
    html = page(staff, LIST)
    assert "No orders yet" in html
    assert "<table" not in html


def test_the_list_shows_orders_and_where_their_jobs_are(staff, order):
    assert "none yet" in page(staff, LIST)
    confirm_payment(order)
    html = page(staff, LIST)
    assert order.get_absolute_url() in html
    assert "Draw the invoice" in html
    assert "Notify the team" in html
    assert html.count("Ready") == 2


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("RUNNING", "Running"),
        ("SUCCESSFUL", "Successful"),
        ("DEAD", "Failed"),
    ],
)
def test_an_order_shows_where_its_jobs_are(staff, order, status, shown):
    confirm_payment(order)
    Job.objects.update(status=status, attempts=1)
    assert page(staff, order.get_absolute_url()).count(shown) == 2


def test_an_order_shows_a_job_that_failed_and_waits(staff, order):
    confirm_payment(order)
    for job in Job.objects.all():
        job.history.create(
            claim_no=1,
            number=1,
            finished_at=timezone.now(),
            outcome="FAILED",
            exception_class="smtplib.SMTPDataError",
        )
    Job.objects.update(status="SCHEDULED", attempts=1)
    html = page(staff, order.get_absolute_url())
    assert html.count("Waiting to be tried again") == 2
    assert html.count("<td>SMTPDataError</td>") == 2


def test_a_job_leads_to_the_admin_where_it_can_be_retried(staff, clerk, order):
    confirm_payment(order)
    url = reverse("admin:django_jobs_job_change", args=[order.jobs.first().result_id])
    assert url in page(staff, order.get_absolute_url())
    assert staff.get(url).status_code == HTTPStatus.OK
    assert url not in page(clerk, order.get_absolute_url())  # who may not see jobs


def test_a_job_that_was_pruned_is_no_error(staff, order):
    confirm_payment(order)
    Job.objects.all().delete()
    assert page(staff, order.get_absolute_url()).count("No longer kept") == 2


def test_a_task_that_was_removed_is_no_error(staff, order):
    order.jobs.create(task="fax_invoice", result_id="1")
    html = page(staff, order.get_absolute_url())
    assert "fax_invoice" in html
    assert "Not a task any more" in html


def test_the_invoice_can_be_opened(staff, order):
    url = reverse("shop:invoice", args=[order.reference])
    assert staff.get(url).status_code == HTTPStatus.NOT_FOUND
    confirm_payment(order)
    draw_invoice.call(order_id=order.pk)
    assert url in page(staff, order.get_absolute_url())
    response = staff.get(url)
    assert response["Content-Type"] == "application/pdf"
    assert response.content.startswith(b"%PDF-")


def test_the_list_has_pages(staff):
    Order.objects.bulk_create(Order(customer=f"Customer {n}") for n in range(45))
    assert "Page 1 of 3" in page(staff, LIST)
    assert "Customer 0" in page(staff, f"{LIST}?page=3")
    assert "Page 3 of 3" in page(staff, f"{LIST}?page=999")


def test_what_a_customer_wrote_is_escaped(staff):
    order = place_order("<script>alert(1)</script>", "a@example.com", {"<b>Cup</b>": (1, "1.00")})
    for url in (LIST, order.get_absolute_url()):
        html = page(staff, url)
        assert "<script" not in html
        assert "<b>" not in html


def test_the_pages_hold_under_a_strict_content_security_policy(staff, order):
    confirm_payment(order)
    for url in (LIST, order.get_absolute_url()):
        html = page(staff, url)
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=", html)


# What they do


def test_the_button_confirms_the_payment(staff, order):
    url = reverse("shop:confirm", args=[order.reference])
    assert url in page(staff, order.get_absolute_url())
    response = staff.post(url, follow=True)
    assert "Payment confirmed." in response.content.decode()
    assert url not in response.content.decode()
    order.refresh_from_db()
    assert order.status == Order.Status.PAID
    response = staff.post(url, follow=True)
    assert "not waiting for payment" in response.content.decode()
    assert Job.objects.count() == 2


def test_a_sample_order_can_be_placed(staff):
    response = staff.post(reverse("shop:place_sample"), follow=True)
    assert "Confirm payment" in response.content.decode()
    assert Order.objects.get().total == 37


@pytest.mark.parametrize("name", ["confirm", "place_sample"])
def test_changes_need_a_post_with_its_token(staff, order, name):
    url = reverse(f"shop:{name}", args=[order.reference] if name == "confirm" else [])
    assert staff.get(url).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = staff.cookies
    assert strict.post(url).status_code == HTTPStatus.FORBIDDEN
    assert Order.objects.get().is_pending


# Who may


def test_others_are_sent_to_log_in(client, order):
    for name in ("order", "invoice", "confirm"):
        url = reverse(f"shop:{name}", args=[order.reference])
        response = client.post(url) if name == "confirm" else client.get(url)
        assert response.status_code == HTTPStatus.FOUND
        assert response["Location"].startswith("/admin/login/")
    assert client.get(LIST).status_code == HTTPStatus.FOUND
    order.refresh_from_db()
    assert order.is_pending


def test_who_may_only_look_sees_no_button_and_is_refused(clerk, order):
    assert "<button>" not in page(clerk, order.get_absolute_url())
    assert "<button>" not in page(clerk, LIST)
    for url in (reverse("shop:confirm", args=[order.reference]), reverse("shop:place_sample")):
        assert clerk.post(url).status_code == HTTPStatus.FORBIDDEN
    order.refresh_from_db()
    assert order.is_pending


def test_staff_without_any_permission_is_refused(clerk, order):
    User.objects.get().user_permissions.clear()
    page(clerk, LIST, HTTPStatus.FORBIDDEN)
    page(clerk, order.get_absolute_url(), HTTPStatus.FORBIDDEN)

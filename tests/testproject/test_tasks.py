"""The shop's tasks against a real mail server and a real webhook receiver."""

import io
import smtplib
import urllib.error

import pytest
from django.db import transaction
from pypdf import PdfReader
from shop import mail, webhook
from shop.drill.servers import Refusal
from shop.models import Invoice, Order
from shop.services import confirm_payment
from shop.tasks import draw_invoice, notify_team, send_invoice

from django_jobs.models import Job


@pytest.fixture
def paid(order) -> Order:
    return confirm_payment(order)


@pytest.fixture
def invoice(paid) -> Invoice:
    draw_invoice.call(order_id=paid.pk)
    return Invoice.objects.get(order=paid)


def text_of(pdf: bytes) -> str:
    [page] = PdfReader(io.BytesIO(pdf)).pages
    return page.extract_text()


# draw_invoice


def test_the_invoice_is_a_pdf_that_can_be_read(invoice):
    text = text_of(bytes(invoice.pdf))
    assert invoice.number in text
    for part in ("The Small Shop", "Zoë Customer", "Teapot", "24.00 EUR", "54.50 EUR"):
        assert part in text


def test_a_name_with_letters_that_the_font_lacks_still_gives_an_invoice(paid):
    Order.objects.filter(pk=paid.pk).update(customer="山田 & Łucja")
    draw_invoice.call(order_id=paid.pk)
    assert "? & ?ucja" in text_of(bytes(Invoice.objects.get().pdf)).replace("??", "?")


def test_drawing_twice_makes_one_invoice_and_one_mail_job(paid):
    assert draw_invoice.call(order_id=paid.pk) == draw_invoice.call(order_id=paid.pk)
    assert Invoice.objects.count() == 1
    assert Job.objects.filter(task_path="shop.tasks.send_invoice").count() == 1
    assert paid.jobs.filter(task="send_invoice").count() == 1


def test_the_same_invoice_comes_out_when_it_is_drawn_again(paid):
    from shop import pdf

    assert pdf.draw_invoice(paid, "INV-1") == pdf.draw_invoice(paid, "INV-1")


def test_a_rollback_leaves_neither_the_invoice_nor_the_mail_job(paid):
    with transaction.atomic():
        draw_invoice.call(order_id=paid.pk)
        transaction.set_rollback(True)
    assert not Invoice.objects.exists()
    assert not Job.objects.filter(task_path="shop.tasks.send_invoice").exists()


# send_invoice


def test_the_mail_carries_the_pdf(invoice, mail_server):
    message_id = send_invoice.call(invoice_id=invoice.pk)
    [message] = mail_server.messages
    assert message["To"] == "customer17@example.com"
    assert message["Message-ID"] == message_id == f"<{invoice.number}@example.com>"
    assert invoice.number in message["Subject"]
    assert "Zoë" in message.get_body().get_content()
    [attachment] = message.iter_attachments()
    assert attachment.get_content_type() == "application/pdf"
    assert attachment.get_filename() == f"{invoice.number}.pdf"
    assert attachment.get_content() == bytes(invoice.pdf)
    invoice.refresh_from_db()
    assert invoice.sent_at


def test_sending_twice_sends_one_mail(invoice, mail_server):
    assert send_invoice.call(invoice_id=invoice.pk) == send_invoice.call(invoice_id=invoice.pk)
    assert len(mail_server.messages) == 1


def test_a_crash_after_the_server_took_the_mail_repeats_it_under_the_same_id(invoice, mail_server):
    """The window that no order of these two steps closes; see send_invoice."""
    send_invoice.call(invoice_id=invoice.pk)
    Invoice.objects.update(sent_at=None)  # as if the worker had died before the commit
    send_invoice.call(invoice_id=invoice.pk)
    first, second = mail_server.messages
    assert first["Message-ID"] == second["Message-ID"]


@pytest.mark.parametrize("to", ["RCPT", "DATA"])
def test_a_mail_that_is_refused_for_now_can_be_sent_later(invoice, mail_server, to):
    refuse(mail_server, Refusal(451, times=1, to=to))
    with pytest.raises(smtplib.SMTPException):
        send_invoice.call(invoice_id=invoice.pk)
    invoice.refresh_from_db()
    assert invoice.sent_at is None
    send_invoice.call(invoice_id=invoice.pk)
    assert len(mail_server.messages) == 1


@pytest.mark.parametrize("to", ["RCPT", "DATA"])
def test_an_address_that_is_refused_for_good_is_a_bad_address(invoice, mail_server, to):
    refuse(mail_server, Refusal(550, to=to))
    with pytest.raises(mail.BadAddress, match="550 refused on purpose"):
        send_invoice.call(invoice_id=invoice.pk)


def test_a_malformed_address_is_a_bad_address(invoice, mail_server):
    Order.objects.update(email="nowhere")
    with pytest.raises(mail.BadAddress):
        send_invoice.call(invoice_id=invoice.pk)
    assert not mail_server.book.contacts()


def test_a_mail_server_that_is_away_is_no_bad_address(invoice, mail_server):
    mail_server.stop()
    with pytest.raises(OSError):  # noqa: PT011 - which one is up to the system
        send_invoice.call(invoice_id=invoice.pk)


def refuse(mail_server, refusal: Refusal) -> None:
    mail_server.book.refusals["customer17@example.com"] = refusal


# notify_team


def test_the_team_is_told_once(paid, webhook_server):
    notify_team.call(order_id=paid.pk)
    notify_team.call(order_id=paid.pk)
    [(headers, body)] = webhook_server.requests
    assert headers["Idempotency-Key"] == f"order-paid-{paid.reference}"
    assert body == {
        "event": "order.paid",
        "order": paid.reference,
        "total": "54.50",
        "currency": "EUR",
    }


@pytest.mark.parametrize("code", [500, 503, 408, 425, 429])
def test_an_answer_about_the_moment_is_worth_another_try(paid, webhook_server, code):
    webhook_server.book.refusals[paid.reference] = Refusal(code, times=1)
    with pytest.raises(urllib.error.HTTPError):
        notify_team.call(order_id=paid.pk)
    notify_team.call(order_id=paid.pk)
    assert webhook_server.book.accepted() == {paid.reference: 1}


@pytest.mark.parametrize("code", [400, 404, 410])
def test_an_answer_about_the_request_is_final(paid, webhook_server, code):
    webhook_server.book.refusals[paid.reference] = Refusal(code)
    with pytest.raises(webhook.Refused, match=str(code)):
        notify_team.call(order_id=paid.pk)


def test_a_receiver_that_is_away_is_worth_another_try(paid, webhook_server):
    webhook_server.stop()
    with pytest.raises(OSError):  # noqa: PT011 - which one is up to the system
        notify_team.call(order_id=paid.pk)
    paid.refresh_from_db()
    assert paid.team_notified_at is None


def test_without_an_address_nobody_is_told(paid, settings):
    settings.TEAM_WEBHOOK_URL = ""
    notify_team.call(order_id=paid.pk)

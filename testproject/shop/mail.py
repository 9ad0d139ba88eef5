"""The invoice by e-mail, and which answers of a mail server are final."""

from smtplib import SMTPDataError, SMTPRecipientsRefused

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from .models import Invoice


class BadAddress(Exception):
    """No mail will ever reach this address."""


def message_id(invoice: Invoice) -> str:
    """The same for every attempt, so that copies of one mail can be told."""
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">")
    return f"<{invoice.number}@{domain}>"


def send_invoice(invoice: Invoice) -> None:
    """
    Send ``invoice`` to its customer.

    Raises ``BadAddress`` where the address is at fault: malformed, or refused for good (a
    reply of 5xx). Anything else (no connection, 4xx, a failed login) may be better next time.
    """
    order = invoice.order
    try:
        validate_email(order.email)
        message(invoice).send()
    except ValidationError as error:
        raise BadAddress(f"{order.email!r} is no e-mail address") from error
    except SMTPRecipientsRefused as error:
        [(code, reply)] = error.recipients.values()
        _raise_if_final(code, reply, error)
        raise
    except SMTPDataError as error:
        _raise_if_final(error.smtp_code, error.smtp_error, error)
        raise


def message(invoice: Invoice) -> EmailMessage:
    order = invoice.order
    mail = EmailMessage(
        subject=_("Your invoice %(number)s") % {"number": invoice.number},
        body=_(
            "Dear %(customer)s,\n\n"
            "thank you for your payment. Your invoice is attached.\n\n"
            "%(shop)s\n"
        )
        % {"customer": order.customer, "shop": settings.SHOP_NAME},
        to=[order.email],
        headers={"Message-ID": message_id(invoice)},
    )
    mail.attach(f"{invoice.number}.pdf", bytes(invoice.pdf), "application/pdf")
    return mail


def _raise_if_final(code: int, reply: bytes | str, error: Exception) -> None:
    if code >= 500:
        text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
        raise BadAddress(f"refused for good: {code} {text}") from error

"""The notice to the team: one HTTP request, from the standard library alone."""

import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from django.conf import settings

from .models import Order

WORTH_ANOTHER_TRY = {408, 425, 429}  # the 4xx that speak of the moment and not of the request


class Refused(Exception):
    """The receiver will never take this notice."""


def post_order(order: Order) -> None:
    """
    POST ``order`` to ``TEAM_WEBHOOK_URL``; nothing where that is empty.

    Raises ``Refused`` on a 4xx. A 5xx, a time-out or no connection stays what it is, an
    ``OSError``, and may be better next time.
    """
    if not settings.TEAM_WEBHOOK_URL:
        return
    request = Request(
        settings.TEAM_WEBHOOK_URL,
        data=json.dumps(payload(order)).encode(),
        headers={
            "Content-Type": "application/json",
            # The same for every attempt, so that the receiver can tell a repeated one.
            "Idempotency-Key": f"order-paid-{order.reference}",
        },
        method="POST",
    )
    try:
        with urlopen(request, timeout=settings.SHOP_WEBHOOK_TIMEOUT):
            pass
    except HTTPError as error:
        error.close()
        if 400 <= error.code < 500 and error.code not in WORTH_ANOTHER_TRY:
            raise Refused(f"{error.code} {error.reason}") from error
        raise


def payload(order: Order) -> dict[str, str]:
    return {
        "event": "order.paid",
        "order": order.reference,
        "total": f"{order.total:.2f}",
        "currency": settings.SHOP_CURRENCY,
    }

"""The admin's own log of what people did."""

from collections.abc import Iterable
from typing import Any, Final

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.http import HttpRequest
from django.utils import translation

LOG_EACH: Final = 100


def _user_id(request: HttpRequest) -> Any:
    return request.user.pk


def log_rows(request: HttpRequest, rows: Iterable[Any], message: str) -> None:
    """An entry for each of ``rows``, which shows in its history."""
    LogEntry.objects.log_actions(
        user_id=_user_id(request), queryset=list(rows), action_flag=CHANGE, change_message=message
    )


def log_many(
    request: HttpRequest,
    model: type[models.Model],
    what: str,
    message: str,
    object_id: Any = None,
) -> None:
    """
    One entry for an action on many rows: ``what`` in a few words, ``message`` in full.

    :param object_id: of the row of ``model`` in whose history it is to show.
    """
    LogEntry.objects.create(
        user_id=_user_id(request),
        content_type=ContentType.objects.get_for_model(model, for_concrete_model=False),
        object_id=object_id,
        object_repr=what[:200],
        action_flag=CHANGE,
        change_message=message,
    )


def untranslated() -> Any:
    """The log is kept in one language, whatever language its author reads."""
    return translation.override(None)

"""What nobody would type but anybody can send to the admin, alike on every database."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from django_jobs.models import Queue
from tests.factories import QueueFactory

pytestmark = pytest.mark.django_db

QUEUES = reverse("admin:django_jobs_queue_changelist")


@pytest.mark.parametrize("action", ["pause", "resume", "limit"])
def test_a_queue_of_a_name_that_no_database_stores(admin_client: Client, action: str) -> None:
    QueueFactory(name="mail", paused=True)
    ticked = {"action": action, "_selected_action": ["mail", "mail\0"]}
    for more in ({}, {"confirmed": "1", "limit": "3"}):
        data: dict[str, Any] = ticked | more
        assert admin_client.post(QUEUES, data).status_code == 400
    assert Queue.objects.paused().get().limit is None

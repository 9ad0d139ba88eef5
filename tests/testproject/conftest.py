"""The shop with a mail server and a webhook receiver, both real and both on loopback."""

from collections.abc import Callable, Iterator

import django
import pytest
from django.test import Client
from shop.drill.servers import MailServer, WebhookServer
from shop.models import Order
from shop.services import place_order

from django_jobs.compat import task_backends

BACKENDS = {
    "database": "django_jobs.backend.DatabaseBackend",
    "immediate": "{tasks}.backends.immediate.ImmediateBackend",
    "dummy": "{tasks}.backends.dummy.DummyBackend",
}
TASKS_MODULE = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"


@pytest.fixture
def mail_server(settings) -> Iterator[MailServer]:
    with MailServer() as server:
        if django.VERSION >= (6, 1):
            options = {"host": server.host, "port": server.port, "timeout": 5}
            settings.MAILERS = {"default": {"OPTIONS": options}}
        else:
            settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
            settings.EMAIL_HOST, settings.EMAIL_PORT = server.host, server.port
            settings.EMAIL_TIMEOUT = 5
        yield server


@pytest.fixture
def webhook_server(settings) -> Iterator[WebhookServer]:
    with WebhookServer() as server:
        settings.TEAM_WEBHOOK_URL = server.url
        yield server


@pytest.fixture
def tasks_backend(settings) -> Callable[[str], None]:
    """Switch the default tasks backend: "database", "immediate" or "dummy"."""

    def use(name: str) -> None:
        path = BACKENDS[name].format(tasks=TASKS_MODULE)
        settings.TASKS = {"default": {"BACKEND": path, "QUEUES": []}}
        assert type(task_backends["default"]).__name__ == path.rpartition(".")[2]

    return use


@pytest.fixture
def order(db) -> Order:
    return place_order(
        "Zoë Customer", "customer17@example.com", {"Teapot": (2, "24.00"), "Cup": (1, "6.50")}
    )


@pytest.fixture
def staff(admin_client) -> Client:
    """A browser in which the administrator has logged in."""
    return admin_client

"""Users with and without permissions, and a browser for each."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

VIEW = ("view_job", "view_worker", "view_queue")


@pytest.fixture
def user(db: None) -> Callable[..., User]:
    """`user("retry_job")` is a member of staff who may view everything, and that."""

    def make(*codenames: str, view: tuple[str, ...] = VIEW) -> User:
        made = User.objects.create_user(f"user{User.objects.count()}", is_staff=True)
        permissions = Permission.objects.filter(
            content_type__app_label="django_jobs", codename__in=[*codenames, *view]
        )
        assert len(permissions) == len({*codenames, *view})
        made.user_permissions.set(permissions)
        return made

    return make


@pytest.fixture
def browser(user: Callable[..., User]) -> Callable[..., Client]:
    """`browser("retry_job")` is a client logged in as such a user."""

    def make(*codenames: str, **kwargs: Any) -> Client:
        client = Client()
        client.force_login(user(*codenames, **kwargs))
        return client

    return make


@pytest.fixture
def admin(admin_client: Client) -> Client:
    """A client logged in as a superuser."""
    return admin_client

"""`manage.py demo`, without the drill that it ends with (see test_drill.py)."""

import io

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from shop.management.commands import demo

pytestmark = pytest.mark.django_db


@pytest.fixture
def commands(monkeypatch) -> list[str]:
    called: list[str] = []
    monkeypatch.setattr(demo, "call_command", lambda name, **options: called.append(name))
    return called


def test_it_makes_one_administrator_and_says_where_to_look(settings, commands):
    settings.DEBUG = True
    output = io.StringIO()
    for _ in range(2):
        call_command("demo", stdout=output)
    assert commands == ["migrate", "drill"] * 2
    assert get_user_model().objects.get().is_superuser
    assert authenticate(username="admin", password="admin")
    assert "runserver" in output.getvalue()
    assert "http://127.0.0.1:8000/admin/" in output.getvalue()


def test_it_leaves_the_password_of_an_administrator_alone(settings, commands):
    settings.DEBUG = True
    get_user_model().objects.create_superuser("admin", password="of their own")
    call_command("demo", stdout=io.StringIO())
    assert authenticate(username="admin", password="of their own")


def test_it_makes_no_known_password_where_it_matters(settings, commands):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG"):
        call_command("demo")
    assert not commands
    assert not get_user_model().objects.exists()

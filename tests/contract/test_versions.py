"""A database that is too old is said so at the door."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from django_jobs.db import setup

pytestmark = pytest.mark.django_db(transaction=True)


def test_this_one_is_new_enough():
    assert setup.too_old("default") == ""


def test_a_worker_does_not_start_on_an_old_one(monkeypatch):
    monkeypatch.setattr(setup, "OLDEST", {connection.display_name: (99, 1)})
    with pytest.raises(CommandError, match=r"is too old; 99\.1 or newer is needed") as caught:
        call_command("runjobs", check=True)
    assert caught.value.returncode == 3

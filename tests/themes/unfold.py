"""The settings of the tests, with the admin in the theme unfold."""

from tests.settings import *

INSTALLED_APPS = ["unfold", *INSTALLED_APPS, "tests.themes.dressed"]

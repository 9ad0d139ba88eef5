"""The settings of the tests, with the admin in the theme jazzmin."""

from tests.settings import *

INSTALLED_APPS = ["jazzmin", *INSTALLED_APPS]

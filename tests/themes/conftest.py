"""The browser of the other tests, for the pages under a theme."""

from tests.browser.conftest import chromium

__all__ = ["chromium"]

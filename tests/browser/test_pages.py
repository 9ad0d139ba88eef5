"""Every page: what axe finds, what the console says, whether it fits."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser import scene
from tests.browser.questions import QUESTIONS
from tests.browser.visit import Visit

WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def pages(transactional_db: None) -> dict[str, str]:
    """Every page, by a name for it, in a shop where some names know no end."""
    shop = scene.shop()
    return shop.pages | scene.without_end(shop.lost)


def too_wide(visitor: Visit) -> list[str]:
    """The sizes of windows that the page doesn't fit into."""
    found = []
    for name, size in (("phone", PHONE), ("wide", WIDE)):
        visitor.page.set_viewport_size(size)
        if pixels := visitor.overflow():
            found.append(f"{name}: {pixels} pixels too wide")
    return found


def each_page(visitor: Visit, pages: dict[str, str]) -> Iterator[str]:
    """Opens them one after the other, and those that ask something; says what they are called."""
    for name, url in pages.items():
        visitor.open(url)
        yield name
    for name, ask in QUESTIONS.items():
        ask(visitor, pages)
        yield name


def test_axe_finds_nothing_grave_and_each_page_fits(
    visit: Callable[..., Visit], pages: dict[str, str]
) -> None:
    visitor = visit(viewport=WIDE)
    found = {}
    for name in each_page(visitor, pages):
        found[name] = too_wide(visitor) + visitor.findings()
    assert {name: findings for name, findings in found.items() if findings} == {}


def test_there_is_enough_contrast_in_the_dark(
    visit: Callable[..., Visit], pages: dict[str, str]
) -> None:
    visitor = visit(color_scheme="dark")
    found = {}
    for name in each_page(visitor, pages):
        found[name] = visitor.findings("color-contrast")
    assert {name: findings for name, findings in found.items() if findings} == {}


def test_from_right_to_left(
    visit: Callable[..., Visit], pages: dict[str, str], settings: Any
) -> None:
    settings.LANGUAGE_CODE = "ar"
    visitor = visit(viewport=WIDE)
    found = {}
    for name in each_page(visitor, pages):
        assert visitor.page.locator("html").get_attribute("dir") == "rtl"
        found[name] = too_wide(visitor)
    assert {name: findings for name, findings in found.items() if findings} == {}

"""The pages that ask before something is done; each is on the way to it."""

from collections.abc import Callable

from tests.browser.visit import Visit

Pages = dict[str, str]


def retry_a_group(visitor: Visit, pages: Pages) -> None:
    visitor.click(visitor.open(pages["failure"]).locator("button[formaction*=retry]"))


def discard_what_is_ticked(visitor: Visit, pages: Pages) -> None:
    page = visitor.open(pages["jobs-dead"])
    for box in page.locator(".action-select").all():
        box.check()
    page.locator("select[name=action]").select_option("discard")
    visitor.click(page.locator("button[name=index]"))


def pause(visitor: Visit, pages: Pages) -> None:
    page = visitor.open(pages["queues"])
    for box in page.locator(".action-select").all():
        box.check()
    visitor.click(page.locator("button[value=pause]"))


def pause_until_yesterday(visitor: Visit, pages: Pages) -> None:
    pause(visitor, pages)
    visitor.page.locator("#id_until").fill("2001-01-01T10:00")
    visitor.click(visitor.page.locator(".jobs-confirm button"))


QUESTIONS: dict[str, Callable[[Visit, Pages], None]] = {
    "retry": retry_a_group,
    "discard": discard_what_is_ticked,
    "pause": pause,
    "pause-wrong": pause_until_yesterday,
}

"""What a page says when something was done: how many, and how many not."""

from typing import Any, Final

from django.utils.translation import gettext as _

from .paginator import Count
from .perform import Report
from .verbs import Verb, asked_to_end, held

REASONS_SHOWN: Final = 3


def count(text: str, n: int) -> str:
    """``text`` with the number in it, as people read it."""
    return text % {"count": (n if isinstance(n, Count) else Count(n)).text}


def result(verb: Verb, report: Report, selected: int) -> str:
    """
    ``3 jobs were retried, 2 were skipped because they are not dead.``

    :param selected: how many were meant. Where that count was cut short, how many were
        skipped isn't known, and not said.
    """
    ended = report.done - report.asked
    parts = []
    if ended or not report.asked:
        parts.append(count(verb.done(ended), ended))
    if report.asked:
        parts.append(count(asked_to_end(report.asked), report.asked))
    cut_short = getattr(selected, "more", False)
    if report.held:
        parts.append(count(held(report.held), report.held))
    skipped = selected - report.done - report.held
    if not cut_short and report.is_complete and skipped > 0:
        parts.append(count(verb.because(skipped), skipped))
    sentences = [_("%s.") % _(", ").join(parts)]
    if not report.is_complete:
        sentences.append(_("The time for one request is up: run the action again for the rest."))
    sentences += [f"{text} (×{n})" if n > 1 else text for text, n in _shown(report)]
    return " ".join(sentences)


def _shown(report: Report) -> Any:
    return report.reasons.most_common(REASONS_SHOWN)

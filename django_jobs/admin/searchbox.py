"""What a search box takes; the rest is refused, and nothing is found."""

from typing import Any, Final

from django.contrib.admin.views.main import SEARCH_VAR, ChangeList, ChangeListSearchForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.text import smart_split
from django.utils.translation import gettext as _

from .paginator import Count

# Each word is a condition, and some have a parameter for each task: databases take only so many.
LETTERS_MOST: Final = 1_000
WORDS_MOST: Final = 50


def check_length(text: str) -> None:
    if len(text) > LETTERS_MOST or sum(1 for _word in smart_split(text)) > WORDS_MOST:
        said = _("A search has at most %(letters)s characters and %(words)s words.")
        most = {"letters": Count(LETTERS_MOST).text, "words": Count(WORDS_MOST).text}
        raise ValidationError(said % most)


class SearchForm(ChangeListSearchForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[SEARCH_VAR].validators.append(check_length)


class SearchedChangeList(ChangeList):
    """
    Finds nothing where the search is refused: Django would show all rows, and do to all of them
    what is meant for those that match.

    ``unread`` says whether it is refused.
    """

    search_form_class = SearchForm
    unread: bool = False

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        rows = super().get_queryset(request, *args, **kwargs)
        self.unread = bool(request.GET.get(SEARCH_VAR)) and not self.query
        return rows.none() if self.unread else rows

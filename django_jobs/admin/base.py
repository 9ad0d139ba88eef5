"""What the pages of all models have in common."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth import get_permission_codename
from django.core.exceptions import BadRequest, ValidationError
from django.db import connections, transaction
from django.http import HttpRequest
from django.urls import URLPattern

from ..failure import is_storable
from .paginator import CappedPaginator


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Shows rows and lets nobody add, edit or delete one."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by: ClassVar[Any] = ()
    # The parameters that a list may be filtered by. Django allows a lookup on any field,
    # which would let people guess at what they are not shown, such as arguments.
    lookups: ClassVar[frozenset[str]] = frozenset()

    class Media:
        css = {"all": ["django_jobs/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @property
    def is_narrow(self) -> bool:
        """Whether a subclass shows rows of its own choice."""
        return type(self).get_queryset is not ReadOnlyAdmin.get_queryset

    def is_allowed(self, request: HttpRequest, verb: str) -> bool:
        """Whether the user has this app's permission ``<verb>_<model>``."""
        codename = get_permission_codename(verb, self.opts)
        user: Any = request.user
        return bool(user.has_perm(f"{self.opts.app_label}.{codename}"))

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup in self.lookups

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        # PostgreSQL does not even look for it.
        return (
            super().get_object(request, object_id, from_field) if is_storable(object_id) else None
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        title = self.opts.verbose_name_plural
        capitalized = f"{title}"[:1].upper() + f"{title}"[1:]
        return super().changelist_view(request, {"title": capitalized, **(extra_context or {})})

    def shown(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the template of the page of ``row`` is given, beside what Django gives it."""
        return {}

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        response = super().change_view(request, object_id, form_url, extra_context)
        context = getattr(response, "context_data", None)
        if context is not None and isinstance(context.get("original"), self.model):
            context.update(self.shown(request, context["original"]))
        return response

    def response_action(
        self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any
    ) -> Any:
        try:
            return super().response_action(request, queryset, *args, **kwargs)
        except ValidationError as error:
            raise BadRequest("That is no selection of rows.") from error

    def own_urls(self) -> list[URLPattern]:
        """URLs besides those that Django makes."""
        return []

    def get_urls(self) -> list[URLPattern]:
        """
        The views write in short transactions of their own: under ``ATOMIC_REQUESTS`` an
        action over many rows would hold its locks to the end.
        """
        urls: list[URLPattern] = [*self.own_urls(), *super().get_urls()]
        for url in urls:
            for alias in connections:
                transaction.non_atomic_requests(alias)(url.callback)
        return urls

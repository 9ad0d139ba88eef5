"""Where the pages of jobs are."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse


def job_url(
    model_admin: Any, request: HttpRequest, job_id: UUID | str, page: str = "change"
) -> str:
    """A page of a job, from which the way back leads to the list as it was filtered."""
    opts = model_admin.opts
    preserved = model_admin.get_preserved_filters(request)
    url = _reverse(model_admin, page, job_id)
    return add_preserved_filters({"preserved_filters": preserved, "opts": opts}, url)


def list_url(model_admin: Any, **query: str) -> str:
    """The list, filtered by ``query``."""
    return f"{_reverse(model_admin, 'changelist')}?{urlencode(query)}"


def page_url(
    model_admin: Any, request: HttpRequest, model: type[Model], page: str, *args: Any
) -> str:
    """A page of another model in the same admin; empty where there is none for the user."""
    site = model_admin.admin_site
    if not site.is_registered(model):
        return ""
    other = site.get_model_admin(model)
    return _reverse(other, page, *args) if other.has_view_permission(request) else ""


def _reverse(model_admin: Any, page: str, *args: Any) -> str:
    opts = model_admin.opts
    name = f"admin:{opts.app_label}_{opts.model_name}_{page}"
    return reverse(name, args=args, current_app=model_admin.admin_site.name)

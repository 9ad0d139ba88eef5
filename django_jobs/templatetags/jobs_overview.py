"""The overview as a template tag, so that it needs no admin site of its own."""

from typing import Any

from django import template
from django.template import Context

register = template.Library()


@register.inclusion_tag("django_jobs/admin/overview.html", takes_context=True)
def jobs_overview(context: Context) -> dict[str, Any]:
    """The overview, for a user who may view jobs; empty for others."""
    # Django imports this module in each project, and not each has the admin.
    from ..admin.overview import overview

    request = context["request"]
    if not _may_view(request.user, "job"):
        return {"is_allowed": False}
    models = ("failuregroup", "queue", "worker")
    may = {f"may_view_{name}s": _may_view(request.user, name) for name in models}
    return {"is_allowed": True, **may, **overview(request)}


def _may_view(user: Any, model: str) -> bool:
    return bool(user.has_perm(f"django_jobs.view_{model}"))

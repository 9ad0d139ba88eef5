"""
The operator's pages. Nothing is edited by hand: what changes a row is a verb, by POST.

Only ``django.contrib.admin`` imports this package, so the project need not use the admin.
"""

from .group import FailureGroupAdmin
from .job import JobAdmin
from .queue import QueueAdmin
from .worker import WorkerAdmin

__all__ = ["FailureGroupAdmin", "JobAdmin", "QueueAdmin", "WorkerAdmin"]

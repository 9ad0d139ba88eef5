"""
Background jobs for Django on the database the project already has.

Everything that business code needs is importable from here, before ``django.setup()`` too.
"""

from .context import JobContext, current_job
from .enqueue import enqueue_many, enqueue_on_commit, on_commit
from .exceptions import (
    Cancel,
    CancelRequested,
    GiveUp,
    Interrupt,
    InvalidArgument,
    LeaseLost,
    Retry,
    ShuttingDown,
    Snooze,
    TimedOut,
)
from .policy import Backoff
from .task import job

__version__ = "0.1.0"

__all__ = [
    "Backoff",
    "Cancel",
    "CancelRequested",
    "GiveUp",
    "Interrupt",
    "InvalidArgument",
    "JobContext",
    "LeaseLost",
    "Retry",
    "ShuttingDown",
    "Snooze",
    "TimedOut",
    "current_job",
    "enqueue_many",
    "enqueue_on_commit",
    "job",
    "on_commit",
]

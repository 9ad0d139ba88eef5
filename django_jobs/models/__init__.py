from .attempt import JobAttempt
from .figures import Figures
from .group import FailureGroup
from .job import Job, JobQuerySet, Status
from .log import JobLog
from .queue import Queue
from .step import JobStep
from .worker import Command, Phase, Worker

__all__ = [
    "Command",
    "FailureGroup",
    "Figures",
    "Job",
    "JobAttempt",
    "JobLog",
    "JobQuerySet",
    "JobStep",
    "Phase",
    "Queue",
    "Status",
    "Worker",
]

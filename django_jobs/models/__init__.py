from .attempt import JobAttempt
from .job import Job, JobQuerySet, Status
from .queue import Queue
from .worker import Worker

__all__ = ["Job", "JobAttempt", "JobQuerySet", "Queue", "Status", "Worker"]

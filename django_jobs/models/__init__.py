from .attempt import JobAttempt
from .job import Job, JobQuerySet, Status
from .queue import Queue
from .step import JobStep
from .worker import Worker

__all__ = ["Job", "JobAttempt", "JobQuerySet", "JobStep", "Queue", "Status", "Worker"]

"""The log of django_jobs as lines of JSON: one object for each thing that happens to a job."""

import json
import logging

KEYS = ("event", "job_id", "task", "attempt", "max_attempts", "claim_no", "duration", "delay")


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {"time": record.created, "level": record.levelname, "text": record.getMessage()}
        entry |= {key: getattr(record, key) for key in KEYS if hasattr(record, key)}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)

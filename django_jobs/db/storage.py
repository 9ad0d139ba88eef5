"""How PostgreSQL keeps the table of jobs."""

from typing import Any, Final

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# Every job is written three times: enqueued, claimed, recorded. Room on its page keeps its
# versions together (6 to 10 % less WAL a job), and vacuum comes before the dead versions
# are a fifth of a table that may hold millions of finished jobs.
PARAMETERS: Final = {
    "fillfactor": "70",
    "autovacuum_vacuum_scale_factor": "0.01",
    "autovacuum_vacuum_threshold": "1000",
    "autovacuum_analyze_scale_factor": "0.02",
    "autovacuum_analyze_threshold": "1000",
}


def set_parameters(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """For a migration: set PARAMETERS on the table of jobs, where there is such a thing."""
    _alter(schema_editor, "SET", ", ".join(f"{name} = {v}" for name, v in PARAMETERS.items()))


def reset_parameters(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _alter(schema_editor, "RESET", ", ".join(PARAMETERS))


def _alter(schema_editor: BaseDatabaseSchemaEditor, verb: str, parameters: str) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"ALTER TABLE django_jobs_job {verb} ({parameters})")

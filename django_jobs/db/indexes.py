"""Indexes over some of the rows, on every database."""

from collections.abc import Sequence
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Index, Model, Q, UniqueConstraint


class StatusIndex(Index):
    """
    An index that serves queries for rows in one of ``statuses``.

    Where the database has partial indexes (PostgreSQL, SQLite) only those rows are in it, so
    that it stays as small as the work at hand. Elsewhere the status becomes its first
    column. A plain ``Index(condition=…)`` would be left out on MariaDB and MySQL.
    """

    def __init__(self, *, fields: Sequence[str], statuses: Sequence[str], name: str) -> None:
        super().__init__(fields=fields, name=name)
        self.statuses = tuple(statuses)

    def create_sql(
        self,
        model: type[Model],
        schema_editor: BaseDatabaseSchemaEditor,
        using: str = "",
        **kwargs: Any,
    ) -> Any:
        fields = [f"-{name}" if order else name for name, order in self.fields_orders]
        if schema_editor.connection.features.supports_partial_indexes:
            # SQLite compares conditions by their form: it sees that "status = x" implies
            # "status = x OR …", but not that it implies "status IN (x, …)".
            condition = reduce(or_, (Q(status=status) for status in self.statuses))
            index = Index(fields=fields, name=self.name, condition=condition)
        else:
            others = [field for field in fields if field != "status"]
            index = Index(fields=["status", *others], name=self.name)
        return index.create_sql(model, schema_editor, using=using, **kwargs)

    def deconstruct(self) -> Any:
        path, args, kwargs = super().deconstruct()
        kwargs["statuses"] = self.statuses
        return path, args, kwargs


class IndexWhenSet(Index):
    """
    An index that serves queries for a value of its first field, which few rows have.

    Where the database has partial indexes the rows without one are not in it.
    """

    def create_sql(
        self,
        model: type[Model],
        schema_editor: BaseDatabaseSchemaEditor,
        using: str = "",
        **kwargs: Any,
    ) -> Any:
        partial = schema_editor.connection.features.supports_partial_indexes
        is_set = Q(**{f"{self.fields[0]}__isnull": False})
        index = Index(fields=self.fields, name=self.name, condition=is_set if partial else None)
        return index.create_sql(model, schema_editor, using=using, **kwargs)


class UniqueWhenSet(Index):
    """
    No two rows have the same value, though many may have none.

    Where the database has partial indexes the rows without one are not in it. A plain
    ``unique=True`` writes an entry for each of them, at each change of their row.
    """

    def create_sql(
        self,
        model: type[Model],
        schema_editor: BaseDatabaseSchemaEditor,
        using: str = "",
        **kwargs: Any,
    ) -> Any:
        partial = schema_editor.connection.features.supports_partial_indexes
        is_set = reduce(and_, (Q(**{f"{name}__isnull": False}) for name in self.fields))
        constraint = UniqueConstraint(
            fields=self.fields, name=self.name, condition=is_set if partial else None
        )
        return constraint.create_sql(model, schema_editor)

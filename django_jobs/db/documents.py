"""Look into JSON columns, alike on every database."""

import json
from typing import Any

from django.db.models import BooleanField, Func, Value


class HasMember(Func):
    """
    Whether ``document``, a column with a JSON object, has the member ``name`` with ``value``.

    Numbers are compared by value, everything else by type and value.

    :param value: text, a finite number, True, False or None.
    """

    output_field = BooleanField()

    def __init__(self, document: Any, name: str, value: Any) -> None:
        # With the escapes of JSON, as the row has them.
        path = Value(f"$.{json.dumps(name)}")
        super().__init__(document, Value(json.dumps({name: value})), path)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        document, wanted, _path = self._parts(compiler)
        return f"({document[0]} @> {wanted[0]}::jsonb)", [*document[1], *wanted[1]]

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # It finds a value in an array too, and compares numbers as doubles, about.
        document, wanted, path = self._parts(compiler)
        has, asked = (f"JSON_EXTRACT({text}, {path[0]})" for text, _ in (document, wanted))
        sql = (
            f"(JSON_CONTAINS({document[0]}, {wanted[0]}) AND JSON_TYPE({has}) <> 'ARRAY' "
            f"AND CAST({has} AS DECIMAL(65, 30)) = CAST({asked} AS DECIMAL(65, 30)))"
        )
        member = [*document[1], *path[1]]
        return sql, [*document[1], *wanted[1], *member, *member, *wanted[1], *path[1]]

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # The type of a number is "integer" or "real".
        document, wanted, _path = self._parts(compiler)
        tables = f"json_each({document[0]}) AS has, json_each({wanted[0]}) AS wanted"
        sql = (
            f"EXISTS (SELECT 1 FROM {tables} WHERE has.key = wanted.key "  # noqa: S608
            "AND has.atom IS wanted.atom AND (has.type = wanted.type "
            "OR (has.type IN ('integer', 'real') AND wanted.type IN ('integer', 'real'))))"
        )
        return sql, [*document[1], *wanted[1]]

    def _parts(self, compiler: Any) -> list[tuple[str, Any]]:
        return [compiler.compile(part) for part in self.get_source_expressions()]

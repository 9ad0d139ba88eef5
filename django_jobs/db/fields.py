"""A column for names that are compared byte by byte, on every database."""

from typing import TYPE_CHECKING, Any, Final

from django.db.models import CharField

if TYPE_CHECKING:
    _TextColumn = CharField[str, str]
else:
    _TextColumn = CharField

# Left to themselves MariaDB and MySQL take "Mail" and "mail" for the same, and PostgreSQL
# sorts as the server's language does. SQLite's default is what is wanted.
_COLLATIONS: Final = {"mysql": "utf8mb4_bin", "postgresql": "C"}


class NameField(_TextColumn):
    """
    A ``CharField`` in which case and accents make a difference, and the order is that of
    the characters' codes, so that a range of it is a prefix.
    """

    def db_parameters(self, connection: Any) -> Any:
        parameters = super().db_parameters(connection)
        return {**parameters, "collation": _COLLATIONS.get(connection.vendor)}

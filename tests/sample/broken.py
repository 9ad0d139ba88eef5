"""A module that can not be imported."""

1 / 0  # noqa: B018

"""The table at the end."""

from collections.abc import Callable

from .checks import Check

HEAD = ("", "promised", "found", "")


def table(checks: list[Check], good: Callable[[str], str], bad: Callable[[str], str]) -> str:
    """``good`` and ``bad`` colour the verdicts."""
    rows = [HEAD, *((c.what, c.promised, c.found, "WRONG" if c.wrong else "ok") for c in checks)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = []
    for *cells, verdict in rows:
        text = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        colour = bad if verdict == "WRONG" else good
        lines.append(f"{text}  {colour(verdict) if verdict else ''}".rstrip())
    lines.insert(1, "-" * len(lines[0].ljust(sum(widths) + 10)))
    return "\n".join(lines)


def details(checks: list[Check], most: int = 10) -> str:
    """What is wrong, up to ``most`` lines for each check."""
    lines = []
    for check in checks:
        if check.wrong:
            lines.append(f"{check.what}:")
            lines += [f"  {line}" for line in check.wrong[:most]]
            if len(check.wrong) > most:
                lines.append(f"  and {len(check.wrong) - most} more")
    return "\n".join(lines)

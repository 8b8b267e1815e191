"""What was measured, as a page: rows with a goal, and tables of figures that have none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class Row:
    """One line of the table of goals. `reached` is None where there is no goal or nothing was measured."""

    what: str
    goal: str
    measured: str
    reached: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Figures for which there is no single goal: a curve, the peers side by side."""

    title: str
    header: Sequence[str]
    lines: Sequence[Sequence[str]]
    note: str = ""


def page(results: Iterable[Row | Table], *, machine: Sequence[str], is_quick: bool) -> str:
    """Give RESULTS.md."""
    rows = [each for each in results if isinstance(each, Row)]
    tables = [each for each in results if isinstance(each, Table)]
    lines = [
        "# Measured",
        "",
        "Written by `make bench`; do not edit. Everything is a ratio of whole processes that ran",
    ]
    lines += ["in turn on one machine, the median of the per-round ratios; milliseconds are of this machine.", ""]
    if is_quick:
        lines += ["**A short run (`QUICK=1`): few rounds, small organisations. The figures are rough.**", ""]
    lines += [f"- {line}" for line in machine]
    lines += ["", "## Goals", "", *_grid(("what", "goal", "measured", "reached"), [_cells(row) for row in rows])]
    notes = [f"- **{row.what}**: {row.note}" for row in rows if row.note]
    if notes:
        lines += ["", "Notes", "", *notes]
    for table in tables:
        lines += ["", f"## {table.title}", "", *_grid(table.header, table.lines)]
        if table.note:
            lines += ["", table.note]
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> tuple[str, str, str, str]:
    reached = {True: "yes", False: "**no**", None: "-"}[row.reached]
    return row.what, row.goal or "-", row.measured, reached


def _grid(header: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(header)} |",
        f"|{'|'.join('---' for _ in header)}|",
        *(f"| {' | '.join(line)} |" for line in lines),
    ]


def milliseconds(seconds: float) -> str:
    """Write a duration."""
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


def times(value: float) -> str:
    """Write a ratio: below a fifth as a fraction."""
    return f"1/{1 / value:.0f}" if 0 < value < 0.2 else f"{value:.2f}"

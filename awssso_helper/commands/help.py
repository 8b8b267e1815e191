"""`awssso` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from awssso_helper.commands.context import Context


def run(context: Context) -> int:
    """`awssso` alone: help."""
    context.terminal.data(context.options.parser.format_help())
    return 0

"""`awssso demo`: a sandbox organisation to play with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awssso_helper import demo

if TYPE_CHECKING:
    from awssso_helper.commands.context import Context


def run(context: Context) -> int:
    """Play with a sandbox organisation."""
    options = context.options
    if options.serve:
        return demo.serve(context.terminal, options.port)
    return demo.run_through(context.terminal) if options.run_through else demo.play(context.terminal)

"""`awssso demo`: a sandbox organisation to play with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awssso_helper import demo
from awssso_helper.errors import UsageError

if TYPE_CHECKING:
    from awssso_helper.commands.context import Context


def run(context: Context) -> int:
    """Play with a sandbox organisation."""
    options = context.options
    if options.port and not options.serve:
        raise UsageError("--port is the port of --serve", hint="awssso demo --serve --port 8080")
    if options.serve:
        return demo.serve(context.terminal, options.port)
    return demo.run_through(context.terminal) if options.run_through else demo.play(context.terminal)

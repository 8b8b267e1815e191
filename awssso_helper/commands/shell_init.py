"""`awssso shell-init`: the function that lets `use` and `pick` change the current shell."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from awssso_helper import shell_functions, shells

if TYPE_CHECKING:
    from awssso_helper.commands.context import Context


def run(context: Context) -> int:
    """Print the function; a person who looks at it hears where it belongs."""
    shell = context.options.shell or shells.calling(context.environment)
    context.terminal.data(shell_functions.text(shell))
    if sys.stdout.isatty():
        context.terminal.tell(f"hint: {shell_functions.advice(shell)}")
    return 0

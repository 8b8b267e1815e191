"""`awssso credential-process`, reached only when options precede or follow the usual words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awssso_helper import credential_process

if TYPE_CHECKING:
    from awssso_helper.commands.context import Context


def run(context: Context) -> int:
    """Answer an SDK; reached only when options precede or follow the usual words."""
    options = context.options
    words = ["--profile", options.profile] if options.profile else [options.role] if options.role else []
    return credential_process.run(words)

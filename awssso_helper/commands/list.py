"""`awssso list`: accounts, roles and profiles, from memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from awssso_helper.model import utc_text
from awssso_helper.terminal import duration

if TYPE_CHECKING:
    from awssso_helper.catalog import Entry
    from awssso_helper.commands.context import Context


def run(context: Context) -> int:
    """List what is remembered."""
    options, terminal = context.options, context.terminal
    words = [word.casefold() for word in options.filter]
    rows = [row for row in context.entries() if row.holds(words)]
    if options.names:
        names = [row.profile for row in rows if row.profile]
        if names:
            terminal.data("\n".join(names))
    elif options.json:
        terminal.json({"roles": [_row_facts(row) for row in rows]})
    elif options.csv:
        header = ("profile", "account_name", "account_id", "role", "session", "account_email", "credentials_expire")
        terminal.csv(header, [_csv_row(row) for row in rows])
    elif rows:
        terminal.table(("PROFILE", "ACCOUNT", "ACCOUNT ID", "ROLE", "CACHED"), [_table_row(row) for row in rows])
    if not rows:
        nothing = "nothing matches" if words else "no accounts are known yet"
        terminal.tell(f"{nothing}\nhint: awssso {'list' if words else 'login'}")
    return 0


def _row_facts(row: Entry) -> dict[str, Any]:
    return {
        "profile": row.profile or None,
        "session": row.role.session,
        "account_id": row.account.id,
        "account_name": row.account.name,
        "account_email": row.account.email,
        "role": row.role.name,
        "via": row.via or None,
        "stale": row.stale,
        "credentials_expire": utc_text(row.expires_at) if row.expires_at > time.time() else None,
    }


def _csv_row(row: Entry) -> tuple[str, ...]:
    facts = _row_facts(row)
    columns = ("profile", "account_name", "account_id", "role", "session", "account_email", "credentials_expire")
    return tuple(facts[column] or "" for column in columns)


def _table_row(row: Entry) -> tuple[str, ...]:
    left = row.expires_at - time.time()
    name = f"{row.account.name} (stale)" if row.stale else row.account.name
    role = f"{row.role.name} (via {row.via})" if row.via else row.role.name
    return (row.profile or "-", name, row.account.id, role, duration(left) if left > 0 else "-")

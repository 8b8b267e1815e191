"""The pages that a person sees: plain HTML without scripts and without anything from elsewhere.

Names come from strangers (SECURITY F), so every value is escaped, and a policy forbids what an escape could miss.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    # Browsers apply form-action to the redirect that follows a form too, and that goes to the client's callback.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; "
        "form-action 'self' http://127.0.0.1:*"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b2733; background: #eef2f6; margin: 0 }
main { max-width: 26rem; margin: 12vh auto 0; padding: 1.5rem 2rem 2rem; background: #fff; border-radius: .75rem;
       box-shadow: 0 1px 4px #0003 }
h1 { font-size: 1.3rem; margin: 0 0 .75rem }
fieldset { border: 1px solid #c3ced8; border-radius: .4rem; padding: .5rem 1rem }
label { display: block; margin: .25rem 0; overflow-wrap: anywhere }
input[name=user_code] { font: 1.2rem ui-monospace, monospace; letter-spacing: .1em; width: 100%; padding: .4rem;
                        box-sizing: border-box }
button { font: inherit; margin: 1.25rem .5rem 0 0; padding: .4rem 1.4rem; border: 1px solid #8796a5;
         border-radius: .4rem; background: #fff; cursor: pointer }
button[value=allow], .go { background: #0b5cad; border-color: #0b5cad; color: #fff }
b { overflow-wrap: anywhere }
code { font-size: 1.3rem; letter-spacing: .1em }
footer { text-align: center; color: #5b6b7a; font-size: .85rem; margin: 1rem }
"""
_FOOT = "This is the local IAM Identity Center of awssso, for trying and testing. No AWS account is behind it."


def home(start_url: str) -> str:
    """Say what this server is."""
    return _document(
        "Local IAM Identity Center",
        f"<p>It stands in for <b>{escape(start_url)}</b>.</p>"
        '<p>Sign-ins begin in your terminal. With a code in hand, go to <a href="/device">/device</a>.</p>',
    )


def consent(consent_id: str, client_name: str, users: Sequence[str]) -> str:
    """Ask a person to sign in and to allow a client that waits on a loopback callback."""
    hidden = f'<input type="hidden" name="consent" value="{escape(consent_id)}">'
    return _question("/authorize", client_name, hidden, users)


def device_code() -> str:
    """Ask for the code that the terminal shows."""
    return _document(
        "Enter the code from your terminal",
        '<form method="get" action="/device">'
        '<input name="user_code" autocomplete="off" autofocus required aria-label="Code" placeholder="ABCD-EFGH">'
        '<button class="go">Next</button></form>',
    )


def device(user_code: str, client_name: str, users: Sequence[str]) -> str:
    """Ask a person to compare the code, to sign in and to allow the client."""
    shown = escape(user_code)
    fields = (
        f'<input type="hidden" name="user_code" value="{shown}">'
        f"<p>Go on only if your own terminal shows <code>{shown}</code> now.</p>"
    )
    return _question("/device", client_name, fields, users)


def decided(*, allowed: bool) -> str:
    """Tell the person that the decision arrived."""
    title = "Signed in" if allowed else "Refused"
    return _document(title, "<p>You may close this window and go back to your terminal.</p>")


def console(arn: str, destination: str) -> str:
    """Stand in for the AWS console: say who is signed in, and where they wanted to go."""
    return _document(
        "AWS console", f"<p>You are <b>{escape(arn)}</b>.</p><p>Here would be <b>{escape(destination)}</b>.</p>"
    )


def refused(reason: str) -> str:
    """Tell the person why this page leads nowhere."""
    return _document("This does not work", f"<p>{escape(reason)}.</p>")


def _question(action: str, client_name: str, fields: str, users: Sequence[str]) -> str:
    choices = "".join(
        f'<label><input type="radio" name="user" value="{escape(user)}"{" checked" if first else ""}>'
        f" {escape(user)}</label>"
        for first, user in ((position == 0, user) for position, user in enumerate(users))
    )
    return _document(
        "Sign in",
        f"<p><b>{escape(client_name)}</b> asks to use your AWS accounts.</p>"
        f'<form method="post" action="{action}">{fields}<fieldset><legend>Sign in as</legend>{choices}</fieldset>'
        '<button name="decision" value="allow">Allow</button>'
        '<button name="decision" value="deny">Deny</button></form>',
    )


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{body}</main><footer>{_FOOT}</footer></body></html>\n"
    )

"""A person at a browser, for where there is none: opens a sign-in page of the simulator and presses a button.

`python -m awssso_helper.simulator.person URL` can stand in BROWSER (as `... %s &` for a client that would wait for
the command before it looks at its callback). It exits with 0 when the page after the button
(the client's callback, or the last page of the device flow) answered 200. `AWSSSO_PERSON=deny` presses Deny;
`AWSSSO_PERSON_USER` says who signs in, else it is the first user offered.
"""

from __future__ import annotations

import os
import sys
from html.parser import HTMLParser
from http import HTTPStatus
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

_PATIENCE = 30  # seconds for each page


class LostError(Exception):
    """The page is not one that this person knows what to do with."""


class _Form(HTMLParser):
    """The first form of a page: where it goes, its fields, the users it offers."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.users: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and self.action is None:
            self.action = values.get("action", "")
        elif tag == "input" and values.get("type") == "hidden":
            self.fields[values["name"]] = values.get("value", "")
        elif tag == "input" and values.get("type") == "radio":
            self.users.append(values["value"])


class _StandStill(HTTPRedirectHandler):
    def redirect_request(self, *_request: object) -> None:
        return None


def approve(url: str, *, user: str = "", deny: bool = False) -> int:
    """Open a sign-in page and press Allow or Deny; gives the status of the page that follows.

    Raises:
        LostError: the page is not the simulator's, has no sign-in form, or does not offer this user.
        OSError: nothing answers (urllib's HTTPError when the sign-in page itself is an error).
    """
    if not url.startswith("http://"):
        raise LostError("the simulator's pages begin with http://")
    # Loopback only, so no proxy; and a person's browser would follow the redirect, where we look at its answer.
    browser = build_opener(ProxyHandler({}), _StandStill)
    with browser.open(url, timeout=_PATIENCE) as page:
        form = _Form(page.read().decode())
    if form.action is None or not form.users:
        raise LostError("there is no sign-in form on this page")
    if user and user not in form.users:
        raise LostError(f"this page does not offer {user}")
    decision = {**form.fields, "user": user or form.users[0], "decision": "deny" if deny else "allow"}
    target = urljoin(url, form.action)
    status, location = _visit(browser, Request(target, urlencode(decision).encode()))  # noqa: S310 - http
    return _visit(browser, Request(location))[0] if location else status  # noqa: S310 - a registered callback


def _visit(browser: OpenerDirector, request: Request) -> tuple[int, str]:
    try:
        with browser.open(request, timeout=_PATIENCE) as page:
            return page.status, ""
    except HTTPError as answer:
        with answer:
            return answer.code, answer.headers.get("Location", "")


def main() -> int:
    """Do what the command line and the environment say; gives the exit status."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the module and the URL
        sys.exit("usage: python -m awssso_helper.simulator.person URL")
    deny = os.environ.get("AWSSSO_PERSON") == "deny"
    try:
        status = approve(sys.argv[1], user=os.environ.get("AWSSSO_PERSON_USER", ""), deny=deny)
    except (LostError, OSError) as error:
        sys.exit(f"person: {error}")
    return 0 if status == HTTPStatus.OK else 1


if __name__ == "__main__":
    sys.exit(main())

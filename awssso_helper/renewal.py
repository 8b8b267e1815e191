"""The refresh of an access token, in a process that outlives who needs it.

An SDK's process ends at its deadline, with Ctrl-C, with the terminal. A refresh that ended with it, between its request
and the storing of the answer, would cost the session: the refresh token in the keyring is used up (PROTOCOL 3.3). So
whoever may end at any moment starts this and waits for it as long as it can. It inherits the session's lock, so nobody
refreshes or signs in before it is done. The agent needs none of it: it stays.
"""

from __future__ import annotations

import os
import time

from awssso_helper import detached, errand, settings
from awssso_helper.credentials import Credentials
from awssso_helper.environment import Environment
from awssso_helper.errors import AwsssoError, keep_tracebacks_away
from awssso_helper.model import Deadline
from awssso_helper.store import Store

# So long it tries to store what it has, from its start; a login waits longer for the lock.
_SECONDS = 45.0
_PAUSE = 0.25


def main() -> None:
    """Do what is ordered, tell what came of it, and store it as soon as the keyring takes it."""
    keep_tracebacks_away()
    detached.settle(keeps_inherited=True)
    order = errand.ordered()
    environment = Environment()
    own_settings = settings.load(environment.settings_file)
    store = Store(environment, own_settings.keyring, may_prompt=False)
    credentials = Credentials.of_user(environment, own_settings, store, trace=errand.tell, stays=True)
    last = Deadline(_SECONDS)
    try:
        credentials.renew_for(order["sign_in"], Deadline(order["seconds"]))
        errand.end()
    except AwsssoError as error:
        errand.end(error)
    while not credentials.store_late(last) and not last.passed():
        # The keyring hangs, or is locked, or comes up at this moment.
        time.sleep(_PAUSE)
    # Not in order: a thread may hang in the keyring.
    os._exit(0)

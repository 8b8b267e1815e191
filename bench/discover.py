"""One discovery in a process of its own, run by the interpreter that has awssso: prints what it took as JSON."""

from __future__ import annotations

import json
import time

from awssso_helper import discovery, settings
from awssso_helper.credentials import Credentials
from awssso_helper.environment import Environment
from awssso_helper.identity_center import IdentityCenter
from awssso_helper.model import Deadline
from awssso_helper.store import Store

SESSION, REGION = "corp", "us-east-1"


class _Nobody:
    def accounts_found(self, count: int) -> None:
        pass

    def account_done(self) -> None:
        pass


def main() -> None:
    environment = Environment()
    own = settings.load(environment.settings_file)
    credentials = Credentials.of_user(environment, own, Store(environment, own.keyring, may_prompt=False))
    sign_in = credentials.sign_in_of(SESSION, Deadline(60))
    assert sign_in is not None
    endpoints = environment.endpoints(REGION, sign_in.session.start_url)
    service = IdentityCenter(environment, endpoints, connections=discovery.WORKERS)
    wall, cpu = time.perf_counter(), time.process_time()
    found = discovery.discovered(
        SESSION, credentials=credentials, service=service, known=None, progress=_Nobody(), deadline=Deadline(1800)
    )
    facts = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "workers": discovery.WORKERS,
        "accounts": len(found.inventory.accounts),
        "roles": len(found.inventory.roles()),
        "failures": len(found.failures),
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()

"""The simulator as a process of its own, so that what is measured does not share an interpreter with it.

`python -m bench.serve ACCOUNTS ROLES` prints one line of JSON, then obeys lines of JSON on stdin; ACCOUNTS 0 is the
sample organisation.
"""

from __future__ import annotations

import json
import sys

from awssso_helper.simulator import Organization, Simulator

ROLES_OPERATION = "ListAccountRoles"


def main() -> None:
    accounts, roles = map(int, sys.argv[1:])
    organization = Organization.large(accounts, roles) if accounts else Organization.sample()
    with Simulator(organization) as simulator:
        _say({"variables": simulator.variables(), "start_url": organization.start_url})
        for line in sys.stdin:
            _say(_done(simulator, json.loads(line)))


def _done(simulator: Simulator, order: dict[str, float]) -> dict[str, object]:
    if "latency" in order:
        simulator.latency = order["latency"]
    if "advance" in order:
        simulator.advance(order["advance"])
    if "rate" in order:
        simulator.behave()
        if order["rate"]:
            simulator.throttle(order["rate"], int(order["burst"]))
    calls = simulator.log
    facts: dict[str, object] = {
        "calls": len(calls),
        "refused": sum(call.status == 429 for call in calls),
        "role_calls": sum(call.operation == "GetRoleCredentials" for call in calls),
    }
    if "clear" in order:
        simulator.clear_log()
    return facts


def _say(facts: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

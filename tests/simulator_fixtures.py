"""The simulator for every test that asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from awssso_helper.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running

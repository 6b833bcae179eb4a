"""Golden files are written anew by `pytest tests/report tests/timeline --update-golden`; then read the difference."""

from __future__ import annotations

import pytest


@pytest.fixture
def updates_golden(request: pytest.FixtureRequest) -> bool:
    # tests/report declares the option: it is known only where pytest was given that folder as well.
    return bool(request.config.getoption("--update-golden", default=False))

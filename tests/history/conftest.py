from __future__ import annotations

import pytest

from .histories import History


@pytest.fixture
def history() -> History:
    """A store in memory, and a short way to save into it."""
    return History()

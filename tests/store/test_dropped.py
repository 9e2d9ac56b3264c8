"""Values that a gc dropped, and what is saved after them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import linea
from linea.cli.app import main


@pytest.mark.parametrize("change", [0.0, 1.0])
def test_a_save_after_a_value_was_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: float
) -> None:
    """Where gc dropped the value of the version before, there is nothing to share, and no error."""
    monkeypatch.setenv("LINEA_DIR", str(tmp_path / ".linea"))
    value = np.random.default_rng(0).normal(size=20_000)
    linea.save(value, "a")
    assert main(["gc", "--drop-values", "--unproven", "--keep-last", "0"]) == 0
    with pytest.raises(linea.LineaError, match="was dropped"):
        linea.get("a").get_value()
    value[:100] += change
    linea.save(value, "a")
    assert np.array_equal(linea.get("a").get_value(), value)

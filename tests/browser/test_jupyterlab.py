"""linea in JupyterLab, seen through a browser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import notebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELLS = (
    "%load_ext linea\nimport linea, pandas as pd",
    "df = pd.DataFrame({'a': [3, 1, 2]})",
    "junk = df.describe()",
    "df['b'] = df['a'] * 2\nlinea.save(df, 'features', message='from the browser')",
)


def run_all(browser: Any, address: str, picture: Path | None = None) -> Any:
    """Open the notebook, run its cells, and give the page."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(f"{address}/work.ipynb")
    page.locator(".jp-Notebook").wait_for(timeout=90_000)
    # Before the kernel is idle a key press is lost.
    page.get_by_text("Python 3 (ipykernel) | Idle").first.wait_for(timeout=90_000)
    page.locator(".jp-Notebook .jp-CodeCell").first.click()
    for _ in CELLS:
        page.keyboard.press("Shift+Enter")
    return page


def test_a_saved_artifact_shows_in_jupyterlab(browser: Any, lab: str, tmp_path: Path) -> None:
    """Cells run by hand in the browser are watched; the handle of `save` draws itself as HTML."""
    (tmp_path / "work.ipynb").write_text(notebook(*CELLS))
    page = run_all(browser, lab)
    shown = page.locator(".jp-OutputArea-output").get_by_text("features").first
    shown.wait_for(timeout=60_000)
    page.screenshot(path=str(tmp_path / "lab.png"))
    assert "features@v1" in page.locator(".jp-OutputArea-output").last.inner_text()
    code = subprocess.run(
        [sys.executable, "-m", "linea", "show", "features", "--code"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "describe" not in code
    assert "df['b'] = df['a'] * 2" in code

"""Another package's codec, as `docs/codecs.md` has it, found by its entry point."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stories.test_tutorial import blocks

PAGE = Path(__file__).parents[2] / "docs" / "codecs.md"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The package of the page, installed into a folder."""
    site = tmp_path / "site"
    site.mkdir()
    for block in blocks(PAGE.read_text(encoding="utf-8")):
        name = block.info.partition('title="')[2].rstrip('"')
        if name.endswith(".py"):
            (site / name).write_text(block.body, encoding="utf-8")
        else:
            assert '"money.Amount" = "linea_money:AMOUNT"' in block.body
    info = site / "linea_money-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: linea-money\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[linea.codecs]\nmoney.Amount = linea_money:AMOUNT\n")
    return site


def run(folder: Path, site: Path, *command: str, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(site)},
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_it_keeps_values_in_its_own_form(tmp_path: Path, package: Path) -> None:
    """Saved, told, read back, checked and written to a file; without it, what is missing is said."""
    (tmp_path / "work.py").write_text(
        "import linea\nfrom money import Amount\n"
        "linea.save(Amount(1250, 'EUR'), 'price')\nlinea.save(Amount(1300, 'EUR'), 'price')\n"
        "linea.save([Amount(1, 'EUR')], 'prices')\n"
        "a, b = linea.get('price@v1'), linea.get('price')\n"
        "print(vars(a.get_value()), a.digest == b.digest, linea.get('prices').get_value()[0].cents)\n"
    )
    printed = run(tmp_path, package, "work.py")
    assert "{'cents': 1250, 'currency': 'EUR'} False 1\n" in printed
    assert "12.50 EUR → 13.00 EUR" in run(tmp_path, package, "-m", "linea", "log", "price")
    assert "13.00 EUR" in run(tmp_path, package, "-m", "linea", "show", "price")
    assert run(tmp_path, package, "-m", "linea", "cat", "price") == (
        '{"cents": 1300, "currency": "EUR"}'
    )
    told = run(tmp_path, package, "-m", "linea", "verify", "price", "prices")
    assert told.count("@v") == told.count("  identical") == 2
    assert "all as stored" in run(tmp_path, package, "-m", "linea", "fsck", "--strict", "--trust")
    (package / "linea_money-0.1.dist-info" / "entry_points.txt").write_text("")
    assert "13.00 EUR" in run(tmp_path, package, "-m", "linea", "show", "price")
    assert "no codec named 'money.Amount'" in run(
        tmp_path, package, "-m", "linea", "cat", "price", status=2
    )

"""Small projects on disk whose scripts are captured by the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LINEA = [sys.executable, "-m", "linea"]


@dataclass(frozen=True)
class Folder:
    """A project's folder, and commands run in it."""

    path: Path

    def put(self, **files: str) -> None:
        """Write files; `in_csv` stands for `in.csv`."""
        for name, text in files.items():
            stem, _, suffix = name.rpartition("_")
            (self.path / f"{stem}.{suffix}").write_text(text)

    def call(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        plain = {k: v for k, v in os.environ.items() if not k.startswith("LINEA_")}
        return subprocess.run(
            [*LINEA, *arguments], cwd=self.path, text=True, capture_output=True, check=False,
            stdin=subprocess.DEVNULL, env={**plain, "MPLBACKEND": "Agg", **variables},
        )  # fmt: skip

    def ok(self, *arguments: str, **variables: str) -> str:
        done = self.call(*arguments, **variables)
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: str, status: int = 0) -> Any:
        done = self.call(*arguments, "--json")
        assert done.returncode == status, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

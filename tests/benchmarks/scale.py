"""What commands cost in stores of very many versions or artifacts.

    python tests/benchmarks/scale.py [ARTIFACTS] [VERSIONS]

Makes one store of ARTIFACTS (1,000) artifacts with VERSIONS (10,000) versions in all, one of a single
artifact with as many versions, and a small one, runs each command in a process of its own, first
without and then with the store's cache, and prints its CPU seconds, Python's own start included.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from linea.model import Origin
from linea.store import layout, refs
from linea.store.backend import RefChange
from linea.store.disk import DiskBackend
from linea.store.objects import Batch, commit_bytes
from linea.store.repository import Repository
from tests.store.drafts import NOON, draft

BATCH = 2_000
"""Versions in a pack of the stores made here."""


def build(path: Path, artifacts: int, each: int) -> None:
    """Make a store of `artifacts` artifacts with `each` versions, a pack for every so many."""
    backend = DiskBackend.create(path)
    batch, changes, made = Batch(), [], 0
    for number in range(artifacts):
        name = f"artifact-{number:04}" if artifacts > 1 else "single"
        previous = None
        for count in range(1, each + 1):
            made += 1
            said = _draft(name, count, made)
            files = {p: batch.add("blob", data) for p, data in layout.contents(said).items()}
            files[layout.MANIFEST] = batch.add("blob", layout.manifest(said, count, previous))
            commit = layout.commit(said, count, previous, batch.add_tree(files))
            previous = batch.add("commit", commit_bytes(commit))
            if made % BATCH == 0:
                backend.write(batch.objects)
                batch = Batch()
        changes.append(RefChange(refs.artifact_ref(name), None, previous))
    backend.write(batch.objects)
    with backend.lock():
        assert backend.update_refs(changes, "benchmark")
    backend.close()


def _surroundings(folder: Path) -> dict[str, str]:
    """The environment of a command, with bytecode as an installed program has it."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    own = {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
    }
    return kept | own


def _draft(name: str, number: int, made: int) -> object:
    """A version as people's stores have them: now and then the code changed, always the value."""
    lines = [f"x{i} = transform(x{i - 1}, {number // 20 + i})" for i in range(1, 20)]
    code = "\n".join(["x0 = load('in.csv')", *lines]) + "\n"
    origins = tuple(Origin("train.py", n) for n in range(1, 21))
    data = f"{name} {number}".encode()
    base = draft(name, data, code=code, session=code, lines=origins)
    return dataclasses.replace(base, created=NOON + timedelta(minutes=made))


def cpu(folder: Path, *arguments: str) -> float:
    """Return the CPU seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "linea", *arguments],
        cwd=folder, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=_surroundings(folder.parent),
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def library_log(path: Path) -> float:
    """Return the CPU seconds that the whole log takes once the store is open."""
    from linea.history.log import log

    with Repository.open(path) as repository:
        start = time.process_time()
        for _ in log(repository):
            pass
        return time.process_time() - start


def saves(path: Path, name: str, count: int = 20) -> float:
    """Return the CPU seconds of one save."""
    with Repository.open(path) as repository:
        repository.commit([draft(name, b"first")])
        start = time.process_time()
        for number in range(count):
            repository.commit([draft(name, f"saved {number}".encode())])
        return (time.process_time() - start) / count


def main(artifacts: int = 1_000, versions: int = 10_000) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        stores = {
            "small": (1, 3),
            "many": (artifacts, versions // artifacts),
            "long": (1, versions),
        }
        columns = {}
        for label, shape in stores.items():
            root = Path(folder) / label
            root.mkdir()
            build(root / ".linea", *shape)
            name = "artifact-0500" if shape[0] > 1 else "single"
            commands = {
                "ls": ["ls"],
                "log (all)": ["log", "-n", "0"],
                "log NAME": ["log", "-n", "0", name],
                "log -n 20": ["log", "-n", "20"],
                "show NAME": ["show", name],
                "show NAME@v1": ["show", name + "@v1"],
                "status": ["status"],
                "tag": ["tag"],
                "tag NAME@v2 t": ["tag", name + "@v2", "t"],
                "diff": ["diff", name + "@v1", name + "@v2"],
                "blame NAME": ["blame", name],
            }
            found = {}
            for arguments in (
                ["log", name],
                ["status"],
                ["diff", name + "@v1", name + "@v2"],
                ["tag"],
            ):
                cpu(root, *arguments)  # which leaves the modules' bytecode
            shutil.rmtree(root / ".linea" / "cache")
            for text, arguments in commands.items():
                found[text] = (cpu(root, *arguments), cpu(root, *arguments))
            log = library_log(root / ".linea")
            found["log, library"] = (log, log)
            save = saves(root / ".linea", name)
            found["save, library"] = (save, save)
            columns[label] = found
        print(f"{'':16}" + "".join(f"{label:>18}" for label in columns))
        for text in columns["small"]:
            cells = (columns[label][text] for label in columns)
            print(f"{text:16}" + "".join(f"{a:9.3f}{b:9.3f}" for a, b in cells))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

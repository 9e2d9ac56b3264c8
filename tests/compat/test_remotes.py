"""A damaged store is healed from the remotes that stock git knows it by."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import linea
from linea.cli.app import main
from linea.store.remotes import Remote, fetched, remotes


def git(folder: Path, *args: str) -> str:
    run = subprocess.run(
        ["git", "-C", str(folder), *args], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def value(number: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A value of which versions share much."""
    made = np.random.default_rng(0).normal(size=40_000)
    made[:1000] += number
    return made


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with a store of six versions and a small artifact, pushed to a bare repository."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LINEA_DIR", str(folder / ".linea"))
    for number in range(6):
        linea.save(value(number), "array")
    linea.save({"a": [1, 2]}, "plain")
    git(tmp_path, "init", "--quiet", "--bare", "far.git")
    git(folder / ".linea", "push", "--quiet", str(tmp_path / "far.git"), "+refs/*:refs/*")
    yield folder


def damage(store: Path, seed: int) -> None:
    """Flip bytes, cut files off and take some away."""
    told = random.Random(seed)
    files = sorted(p for p in (store / "objects").rglob("*") if p.is_file())
    for path in told.sample(files, len(files) // 3):
        path.chmod(0o644)
        data = bytearray(path.read_bytes())
        match told.choice(["flip", "cut", "gone"]):
            case "flip":
                data[told.randrange(len(data))] ^= 1 << told.randrange(8)
                path.write_bytes(data)
            case "cut":
                path.write_bytes(data[: told.randrange(len(data))])
            case _:
                path.unlink()


@pytest.mark.parametrize("url", ["{far}", "file://{far}", "../../far.git", "ext::%S {far}"])
def test_a_store_is_healed_from_a_remote(
    project: Path, url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever is damaged comes back from a remote, by git's transport or from its folder."""
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ext:file")
    store, far = project / ".linea", project.parent / "far.git"
    git(far, "gc", "--quiet")  # deltas and all
    git(store, "remote", "add", "origin", url.format(far=far))
    git(store, "remote", "add", "away", "/nowhere/at/all")
    for seed in range(3):
        damage(store, seed)
        assert main(["fsck"]) == 2
        assert main(["fsck", "--repair"]) == 0, capfd.readouterr().out
    told = capfd.readouterr()
    assert "Looking in origin, away." in told.err and "away can't be read" in told.err
    for number in range(6):
        kept = linea.get("array", number + 1).get_value()
        assert np.array_equal(kept, value(number))
    assert linea.get("plain").get_value() == {"a": [1, 2]}
    git(store, "fsck", "--strict")
    linea.save(value(9), "array")
    assert linea.get("array").version == 7


def test_a_store_without_remotes_asks_nobody(project: Path) -> None:
    """What gc makes git believe isn't a remote."""
    git(project / ".linea", "config", "remote.dropped.url", "/values-dropped-by-linea-gc")
    assert remotes(project / ".linea") == []
    with fetched(project / ".linea", [Remote("origin", "https://localhost:1/x.git")]) as found:
        folders, [lost] = found
        assert folders == [] and "localhost" in lost.why


def test_a_repair_inside_a_git_hook(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What git has set for another repository doesn't matter, and that one stays as it is."""
    store = project / ".linea"
    git(store, "remote", "add", "origin", f"file://{project.parent / 'far.git'}")
    git(project, "init", "--quiet")
    inside = str(project / ".git")
    before = sorted(Path(inside).rglob("*"))
    for key in ("GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE"):
        monkeypatch.setenv(key, inside)
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", inside + "/objects")
    monkeypatch.setenv("GIT_INDEX_FILE", inside + "/index")
    damage(store, 1)
    assert main(["fsck", "--repair"]) == 0, capfd.readouterr().out
    assert sorted(Path(inside).rglob("*")) == before


def test_a_remote_is_reached_as_the_store_s_settings_say(project: Path) -> None:
    """Certificates, proxies, ssh commands and short addresses may be set there."""
    store = project / ".linea"
    git(store, "config", f"url.{project.parent}/.insteadOf", "team:")
    git(store, "remote", "add", "origin", "team:far.git")
    damage(store, 2)
    assert main(["fsck", "--repair"]) == 0

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from linea import values
from linea.errors import DroppedValueError, ReplayError, StoreError
from linea.model import Version
from linea.replay.rebuild import rebuild
from linea.store.repository import Repository
from linea.store.upkeep import Policy
from tests.replay.conftest import Store

CODE = "import random\nrandom.seed({seed})\nxs = [random.random() for _ in range(20_000)]\n"


@pytest.fixture
def dropped(repository: Repository, store: Store) -> Version:
    """A version whose value is gone for good."""
    first = _saved(store, 1)
    _saved(store, 2)
    repository.gc(policy=Policy(proven=False), grace=timedelta(0))
    with pytest.raises(DroppedValueError):
        values.decode(first.value, repository.read_part(first))
    return first


def _saved(store: Store, seed: int) -> Version:
    code = CODE.format(seed=seed)
    space: dict[str, Any] = {}
    exec(code, space)
    return store("xs", space["xs"], code, result="xs")


def test_a_dropped_value_is_made_again(
    repository: Repository, dropped: Version, project: Path
) -> None:
    """The value is back under its old version, in a store that is whole; undo takes it away."""
    rebuild(repository, dropped, project)
    found = values.decode(dropped.value, repository.read_part(dropped))
    assert len(found) == 20_000
    assert values.digest(found) == dropped.digest
    assert repository.fsck(values.digest_bytes).problems == ()
    assert not repository.is_dropped(dropped)
    repository.undo()
    assert repository.is_dropped(dropped)
    assert repository.fsck(values.digest_bytes).problems == ()


def test_it_can_be_dropped_and_made_again_once_more(
    repository: Repository, dropped: Version, project: Path
) -> None:
    """A gc lets a value go that was made again as it does any other."""
    rebuild(repository, dropped, project)
    repository.gc(policy=Policy(proven=False), grace=timedelta(0))
    with pytest.raises(DroppedValueError):
        values.decode(dropped.value, repository.read_part(dropped))
    rebuild(repository, dropped, project)
    assert len(values.decode(dropped.value, repository.read_part(dropped))) == 20_000


def test_another_value_is_not_taken(repository: Repository, store: Store, project: Path) -> None:
    """Code that gives something else, or fails, changes nothing."""
    other = store("y", [1, 2, 3], "y = [3, 2, 1]\n", result="y")
    with pytest.raises(ReplayError, match="gives another value now"):
        rebuild(repository, other, project)
    broken = store("z", 1, "z = 1 / 0\n", result="z")
    with pytest.raises(ReplayError, match="ZeroDivisionError"):
        rebuild(repository, broken, project)
    with pytest.raises(StoreError, match="isn't the value of"):
        repository.put_back(other, values.encode([9]))
    assert values.decode(other.value, repository.read_part(other)) == [1, 2, 3]

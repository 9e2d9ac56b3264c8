"""What was done to a store, and taking it back."""

from __future__ import annotations

import random

import pytest

from linea.errors import NoSuchVersionError, StoreError
from linea.model import InputFile, Verdict
from linea.store import operations
from linea.store.repository import MemoryRepository, Repository

from .drafts import NOON, digest, draft


def state(repository: Repository) -> object:
    """All that a person can see of a store."""
    return {
        name: (
            [
                (v.number, v.commit, repository.verdict(v), repository.exports(v))
                for v in repository.versions(name)
            ],
            repository.tags(name),
        )
        for name in repository.names()
    }


def test_each_kind_is_taken_back(repository: Repository) -> None:
    """Save, tag, move of a tag, untag, verdict, export, deletion, restoring: undone one by one."""
    a, b = draft("a", b"1"), draft("a", b"2")
    seen = [state(repository)]
    first, second = None, None

    def did(what: object) -> object:
        seen.append(state(repository))
        return what

    [first] = did(repository.commit([a]))
    [second] = did(repository.commit([b]))
    did(repository.commit([draft("b", b"3"), draft("c", b"4", tags=("new",))]))
    did(repository.tag(first, "good"))
    did(repository.tag(second, "good"))
    did(repository.untag("a", "good"))
    did(repository.set_verdict(first, Verdict("identical", NOON)))
    did(repository.set_verdict(first, Verdict("different", NOON)))
    did(repository.remember_exports(first, [InputFile("x.csv", digest(b"x"), 1)]))
    did(repository.delete("a", 1))
    did(repository.restore("a", 1))
    did(repository.delete("b"))
    did(repository.commit([draft("d", b"5", tags=("t",))]))
    assert len(repository.operations()) == len(seen) - 1
    for before in reversed(seen[:-1]):
        repository.undo()
        assert state(repository) == before
    assert repository.operations() == []
    with pytest.raises(NoSuchVersionError, match="nothing to undo"):
        repository.undo()


def test_saved_again_after_deletion(repository: Repository) -> None:
    """A name that was deleted and saved anew is taken back step by step, to what it was."""
    repository.commit([draft("a", b"1")])
    repository.commit([draft("a", b"2")])
    repository.delete("a", 1)
    seen = [state(repository)]
    repository.delete("a")
    repository.commit([draft("a", b"3")])
    repository.undo()
    assert state(repository) == {}
    undone = repository.operations()[0]
    repository.undo()
    assert (undone.kind, state(repository)) == ("delete", seen[0])
    [again] = repository.commit([draft("a", b"4")])
    assert again.number == 4  # 3 was given


@pytest.mark.parametrize("seed", range(12))
def test_any_row_of_changes_is_taken_back(seed: int) -> None:
    """Whatever was saved, deleted and restored: undone one by one, each state comes back."""
    told, repository = random.Random(seed), MemoryRepository()
    seen = [state(repository)]
    while len(seen) < 16:
        name = told.choice("ab")
        numbers = (
            [v.number for v in repository.versions(name)] if name in repository.names() else []
        )
        gone = name not in repository.names() and name in repository.deleted()
        change = told.choice(["save", "save", "delete", "version", "restore"])
        if change == "save":
            repository.commit([draft(name, told.randbytes(2))])
        elif change == "delete" and numbers:
            repository.delete(name)
        elif change == "version" and numbers:
            repository.delete(name, told.choice(numbers))
        elif change == "restore" and gone:
            repository.restore(name)
        else:
            continue
        seen.append(state(repository))
    for before in reversed(seen[:-1]):
        repository.undo()
        assert state(repository) == before


def test_undoing_is_undone(repository: Repository) -> None:
    """What undo took back, its own id brings back, and so on."""
    repository.commit([draft("a", b"1")])
    repository.commit([draft("a", b"2")])
    whole = state(repository)
    repository.undo()
    less = state(repository)
    for expected in (whole, less, whole, less):
        again = repository.last_undo()
        assert again is not None
        repository.undo(again)
        assert state(repository) == expected


def test_no_number_is_given_twice(repository: Repository) -> None:
    """A save after an undone one gets the number after it."""
    repository.commit([draft("a", b"1")])
    repository.undo()
    [version] = repository.commit([draft("a", b"2")])
    assert version.number == 2


def test_what_was_changed_since(repository: Repository) -> None:
    """An operation whose effect is gone isn't taken back by force."""
    [first] = repository.commit([draft("a", b"1")])
    repository.tag(first, "good")
    [tagging] = [each for each in repository.operations() if each.kind == "tag"]
    [second] = repository.commit([draft("a", b"2")])
    repository.tag(second, "good")
    with pytest.raises(StoreError, match="changed again since"):
        repository.undo(tagging.id)
    repository.undo()
    repository.undo(tagging.id)
    assert repository.tags("a") == {}
    with pytest.raises(StoreError, match="undone already"):
        repository.undo(tagging.id)


def test_a_damaged_list(disk: Repository) -> None:
    """Lines that were cut off or garbled are left out; the others can still be undone."""
    for number in range(5):
        disk.commit([draft("a", b"%d" % number)])
    assert disk.path is not None
    path = disk.path / operations.FILE
    whole = path.read_bytes()
    cut = random.Random(0)
    for _ in range(50):
        at = cut.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([cut.randrange(256)]) + whole[at + 3 :])
        assert len(disk.operations()) >= 3
    path.write_bytes(whole[:-30])
    disk.commit([draft("a", b"more")])
    assert [each.what for each in disk.operations()][:2] == ["save a@v6", "save a@v4"]
    path.unlink()
    assert disk.operations() == []
    disk.commit([draft("a", b"last")])
    assert [each.what for each in disk.operations()] == ["save a@v7"]


def test_a_list_that_cannot_be_written(disk: Repository) -> None:
    """A save succeeds where the list of operations can't be written."""
    assert disk.path is not None
    (disk.path / operations.FILE).mkdir()
    [version] = disk.commit([draft("a", b"1")])
    assert version.number == 1
    assert disk.operations() == []


def test_lines_of_other_shapes(disk: Repository) -> None:
    """JSON that tells of no operation is left out: nothing can be undone by it."""
    disk.commit([draft("a", b"1")])
    assert disk.path is not None
    line = '{"id": "x", "when": "2026-01-01T00:00:00%s", "kind": "save", "what": "x", %s}\n'
    with (disk.path / operations.FILE).open("a") as file:
        file.write(line % ("", '"refs": []'))
        file.write(line % ("+00:00", '"refs": [[1, 2, 3]]'))
        file.write(line % ("+00:00", '"refs": [["a"]]'))
        file.write(line % ("+00:00", '"versions": [["a", "one", "b"]]'))
        file.write('[]\n"x"\n7\n')
    assert [each.what for each in disk.operations()] == ["save a@v1"]


def test_deleted_artifacts_saved_together(repository: Repository) -> None:
    """What was deleted of each stays so, and undo brings back what was there before."""
    for name in ("a", "b", "c"):
        repository.commit([draft(name, b"1")])
        repository.delete(name)
    repository.commit([draft("a", b"2"), draft("new", b"1"), draft("b", b"2"), draft("a", b"3")])
    assert [v.number for v in repository.versions("a")] == [3, 2]
    assert [v.number for v in repository.versions("b")] == [2]
    repository.undo()
    assert repository.names() == []
    assert repository.deleted() == ["a", "b", "c", "new"]
    repository.restore("b")
    assert [v.number for v in repository.versions("b")] == [1]

"""What is heard of files, from any thread."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from linea.capture.files import Files, _Tap


def test_what_linea_reads_in_one_thread_hides_nothing_that_another_reads(tmp_path: Path) -> None:
    """`aside` is for the thread that is in it; files that others open meanwhile are still heard of."""
    own, users = tmp_path / "own.txt", tmp_path / "users.txt"
    for path in (own, users):
        path.write_text("x")
    files = Files(tmp_path / "elsewhere")
    try:
        files.start()
        with files.aside():
            own.read_text()
            thread = threading.Thread(target=users.read_text)
            thread.start()
            thread.join()
        touched = files.finish(files.pause())
    finally:
        files.close()
    assert str(users) in touched.read
    assert str(own) not in touched.read


def act(folder: Path, number: int) -> None:
    """Do something with files, by Python and behind its back."""
    made, log = folder / f"made{number}", folder / "log"
    match number % 4:
        case 0:
            made.write_text("x")
        case 1:
            subprocess.run(["cp", str(folder / "given"), str(made)], check=True)
        case 2:
            (folder / f"made{number - 1}").rename(made)
        case _:
            with log.open("a") as file:
                file.write("x")
            (folder / f"made{number - 1}").unlink()


def test_what_has_been_asked_for_is_told_again(tmp_path: Path) -> None:
    """However often a statement is asked what it has done so far, in the end it has done the same."""
    found = []
    for asked in (False, True):
        folder = tmp_path / str(asked)
        folder.mkdir()
        for name in ("given", "log"):
            (folder / name).write_text(name)
        files = Files(folder)
        try:
            files.start()
            for number in range(8):
                act(folder, number)
                if asked:
                    files.so_far()
            touched = files.finish(files.pause())
        finally:
            files.close()
        kinds = (touched.read, touched.created, touched.changed, touched.removed)
        found.append([{Path(path).name for path in paths} for paths in kinds])
    assert found[0] == found[1]
    assert found[0][1] == {"made0", "made4"}
    assert "log" in found[0][2]


def test_what_was_told_is_kept_as_what_follows_from_it(tmp_path: Path) -> None:
    """A statement that saves in a loop is asked at each save: that costs what is new, not all so far."""
    files = Files(tmp_path)
    try:
        files.start()
        sizes = []
        for number in range(20):
            (tmp_path / "out").write_text(str(number))
            (tmp_path / ".linea" / "objects").mkdir(parents=True, exist_ok=True)
            (tmp_path / ".linea" / "objects" / str(number)).write_text("x")
            files.so_far()
            sizes.append(len(_Tap.events or ()))
        assert sizes == [0] * 20
        if files._watch is not None:
            assert not any(".linea" in folder for folder in files._watch.folders.values())
    finally:
        files.close()

"""What is heard of files, from any thread."""

from __future__ import annotations

import threading
from pathlib import Path

from linea.capture.files import Files


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

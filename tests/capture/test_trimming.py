"""Cutting inside functions and blocks: what the text leaves open stays."""

from __future__ import annotations

import contextlib
from pathlib import Path

from linea.capture.criterion import slice_of_name
from linea.capture.script import run_statements
from linea.capture.session import Session


def slice_of(source: str, name: str, folder: Path) -> str:
    """The slice of `name` after `source` has run; errors end it as a cell's do."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    session = Session(namespace, root=folder)
    with contextlib.suppress(Exception):
        run_statements(session, source, str(folder / "x.py"), "x.py", namespace)
    try:
        return slice_of_name(session, name).code
    finally:
        session.close()


def test_a_function_that_raised_stays_whole(tmp_path: Path) -> None:
    """The statement that raised decides what ran after it, though nothing reads what it binds."""
    source = (
        "d = {}\ndef f(x):\n    d[1] = x\n    n = x + 'text'\n    d[2] = x\n    return x\nf(3)\n"
    )
    assert "n = x + 'text'" in slice_of(source, "d", tmp_path)


def test_a_function_that_ran_to_its_end_is_cut(tmp_path: Path) -> None:
    """Locals that nothing reads go, with what only they rest on."""
    source = "def f(x):\n    n = x + 1\n    m = n * 2\n    print(m)\n    return x\nr = f(3)\n"
    assert slice_of(source, "r", tmp_path) == "def f(x):\n    return x\nr = f(3)\n"


def test_an_alias_from_outside_the_block_counts(tmp_path: Path) -> None:
    """A block that changes an object under another name than the needed one stays."""
    source = "box = {'log': []}\nlog = box['log']\nfor i in range(2):\n    log.append(i)\nn = 1\n"
    assert "log.append(i)" in slice_of(source, "box", tmp_path)

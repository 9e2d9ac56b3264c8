"""Programs that nothing watches: the value is stored with the whole source, and says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = "import linea\nxs = [3, 1]\nxs.sort()\nlinea.save(xs, 'xs')\n"

INTERPRETER = """\
import linecache
space = {"__name__": "__main__"}
for n, source in enumerate(["import linea\\n", "xs = [3, 1]\\n", "linea.save(xs, 'xs')\\n"]):
    name = f"<python-input-{n}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    exec(compile(source, name, "exec"), space)
"""

TEST = "import linea\ndef test_it():\n    assert linea.save([1], 'xs').version == 1\n"


def code_of(folder: Path) -> str:
    """The stored code of `xs`, and what is said of it."""
    done = subprocess.run(
        [sys.executable, "-c", "import linea; a = linea.get('xs'); print(a._version.conservative); print(a.get_code(), end='')"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


SAYS = '("the code wasn\'t watched: this is its whole source",)\n'


def test_a_program_on_standard_input_keeps_its_source(tmp_path: Path) -> None:
    """`python - < FILE` can be read again where standard input is a file, and not from a pipe."""
    (tmp_path / "p.txt").write_text(PROGRAM)
    with (tmp_path / "p.txt").open() as program:
        subprocess.run([sys.executable, "-"], stdin=program, cwd=tmp_path, check=True)
    assert code_of(tmp_path) == SAYS + PROGRAM
    subprocess.run([sys.executable, "-"], input=PROGRAM, text=True, cwd=tmp_path, check=True)
    assert code_of(tmp_path) == "(\"the code wasn't watched, and its source isn't to be had\",)\n"


def test_what_is_typed_in_the_interpreter_is_kept(tmp_path: Path) -> None:
    """The interactive interpreter of Python 3.13 leaves its statements where they can be read."""
    subprocess.run([sys.executable, "-c", INTERPRETER], cwd=tmp_path, check=True)
    assert code_of(tmp_path) == SAYS + "import linea\nxs = [3, 1]\nlinea.save(xs, 'xs')\n"


def test_a_save_in_a_test_keeps_the_tests_own_file(tmp_path: Path) -> None:
    """What runs the tests isn't the source of what they save."""
    (tmp_path / "test_it.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert code_of(tmp_path) == SAYS + TEST


def test_a_module_run_by_name_saves_where_it_was_started(tmp_path: Path) -> None:
    """`python -m PACKAGE` works in the current folder, so its store is there."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__main__.py").write_text(PROGRAM)
    subprocess.run([sys.executable, "-m", "pkg"], cwd=tmp_path, check=True)
    assert (tmp_path / ".linea").is_dir()
    assert code_of(tmp_path) == "()\nxs = [3, 1]\nxs.sort()\n"

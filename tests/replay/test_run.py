"""Slices in fresh processes."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from linea import values
from linea.errors import ReplayError
from linea.model import InputFile
from linea.replay.run import run, run_version
from linea.replay.scratch import working_folder

from .conftest import Store, tree


def input_file(root: Path, path: str) -> InputFile:
    return InputFile(path, values.digest_file(root / path), (root / path).stat().st_size)


def test_result_has_the_digest_of_the_value(project: Path) -> None:
    """A slice that rebuilds a value gives the digest that the value had."""
    ran = run("x = [n * n for n in range(4)]", "x", root=project)
    assert (ran.outcome, ran.digest) == ("done", values.digest([0, 1, 4, 9]))


def test_the_code_is_the_main_program(project: Path) -> None:
    """A slice runs as `__main__`, its own file and folder as in the recorded run."""
    (project / "scripts").mkdir()
    code = "import sys, pathlib\nx = [__name__, sys.argv, pathlib.Path(__file__).name]"
    ran = run(code, "x", root=project, source="scripts/train.py")
    assert ran.digest == values.digest(["__main__", ["scripts/train.py"], "train.py"])


def test_output_is_kept_apart(project: Path) -> None:
    """What the code prints doesn't disturb the answer."""
    ran = run("print('{\"digest\": 1}')\nx = 1", "x", root=project)
    assert (ran.stdout, ran.digest) == ('{"digest": 1}\n', values.digest(1))


def test_recorded_inputs_and_local_modules_are_there(project: Path) -> None:
    """A slice finds its input files and imports the project's modules."""
    (project / "data").mkdir()
    (project / "data" / "a.txt").write_text("41")
    (project / "steps.py").write_text("def more(n):\n    return n + 1\n")
    code = "from steps import more\nx = more(int(open('data/a.txt').read()))"
    ran = run(code, "x", root=project, inputs=[input_file(project, "data/a.txt")])
    assert ran.digest == values.digest(42), ran.traceback


def test_other_files_are_not_there(project: Path) -> None:
    """A file that wasn't recorded as an input can't make a re-run pass."""
    (project / "secret.txt").write_text("1")
    ran = run("x = open('secret.txt').read()", "x", root=project)
    assert ran.outcome == "failed"
    assert "secret.txt" in ran.traceback


def test_a_missing_input_is_an_error(project: Path) -> None:
    """A run without a recorded input never starts."""
    gone = InputFile("a.txt", values.digest_bytes(b""), 0)
    with pytest.raises(ReplayError, match=r"a\.txt"):
        run("x = 1", "x", root=project, inputs=[gone])


WRITERS = [
    "open('data/a.txt', 'w').write('spoilt')",
    "import os; os.remove('data/a.txt')",
    "import shutil; shutil.rmtree('data')",
    "open('new.txt', 'w').write('x')",
]


@pytest.mark.parametrize("statement", WRITERS)
def test_nothing_of_the_folder_is_changed(project: Path, statement: str) -> None:
    """A slice that writes to relative paths writes to its scratch copy."""
    (project / "data").mkdir()
    (project / "data" / "a.txt").write_text("41")
    before = tree(project)
    ran = run(f"{statement}\nx = 1", "x", root=project, inputs=[input_file(project, "data/a.txt")])
    assert (ran.outcome, tree(project)) == ("done", before), ran.traceback


def test_absolute_writes_into_the_folder_are_refused(project: Path) -> None:
    """Without a view of its own, a write to the user's folder by an absolute path is stopped."""
    (project / "a.txt").write_text("41")
    code = f"open({str(project / 'a.txt')!r}, 'w').write('spoilt')\nx = 1"
    ran = run(code, "x", root=project, isolate=False)
    assert "changes nothing of yours" in ran.traceback
    assert (project / "a.txt").read_text() == "41"


def test_a_failure_gives_the_users_traceback(project: Path) -> None:
    """A traceback starts in the user's code and names the line of the slice."""
    ran = run("def f():\n    return 1 / 0\nx = f()", "x", root=project, source="train.py")
    assert (ran.outcome, ran.line) == ("failed", 2)
    assert ran.traceback.splitlines()[1] == '  File "train.py", line 3, in <module>'
    assert "linea" not in ran.traceback


def test_exit_after_the_value_is_no_failure(project: Path) -> None:
    """`sys.exit()` ends a program, it doesn't undo its values."""
    assert run("import sys\nx = 1\nsys.exit(3)", "x", root=project).digest == values.digest(1)


def test_a_result_that_is_never_bound_fails(project: Path) -> None:
    """A slice that leaves no result variable has failed."""
    assert "no variable 'x'" in run("y = 1", "x", root=project).traceback


def test_a_crash_fails(project: Path) -> None:
    """A process that dies is a failure with its exit status."""
    ran = run("import os\nos.abort()", "x", root=project)
    assert (ran.outcome, "status -6" in ran.traceback) == ("failed", True)


def test_time_limit_kills_the_whole_group(project: Path) -> None:
    """Past the time limit the process and the processes that it started are killed."""
    mark = project.parent / "child.pid"
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(mark)!r}, 'w').write(str(child.pid))\ntime.sleep(60)"
    )
    started = time.monotonic()
    ran = run(code, "x", root=project, timeout=4)
    assert (ran.outcome, time.monotonic() - started < 20) == ("timeout", True)
    time.sleep(0.2)
    status = Path(f"/proc/{mark.read_text()}/stat")
    if sys.platform == "linux":
        assert not status.exists() or status.read_text().split()[2] == "Z"


def test_value_handed_to_save_is_taken(project: Path) -> None:
    """Without a result variable the value is what the code saves under the name, at that time."""
    code = (
        "import linea\nx = [1]\nlinea.save(x, 'a')\nx.append(2)\n"
        "linea.save('other', 'b')\nlinea.save(x, 'a')"
    )
    ran = run(code, None, root=project, name="a")
    assert [record.digest for record in ran.saved] == [values.digest([1]), values.digest([1, 2])]
    assert not (project / ".linea").exists()


def test_get_reads_the_recorded_version(project: Path, repository, store: Store) -> None:
    """`linea.get` in a slice gives the parent version that was recorded, not the latest."""
    from linea.model import Parent

    first = store("a", 1, "x = 1")
    store("a", 2, "x = 2")
    code = "import linea\nx = linea.get('a').get_value() + 10"
    pinned = Parent(first.name, first.number, first.commit, first.digest)
    ran = run(code, "x", root=project, store=repository.path, parents=[pinned])
    assert ran.digest == values.digest(11), ran.traceback


def test_a_file_is_saved_by_its_path(project: Path) -> None:
    """A value of kind `file` is the file that the path names, not the path."""
    (project / "r.html").write_text("hi")
    wanted = values.encode_path(project / "r.html").record.digest
    code = "import linea\nopen('r.html', 'w').write('hi')\nlinea.save('r.html', 'r')"
    assert run(code, None, root=project, name="r", kind="file").digest == wanted


def test_magics_run(project: Path) -> None:
    """A slice with IPython's calls runs where IPython is installed."""
    pytest.importorskip("IPython")
    code = "get_ipython().run_line_magic('time', 'y = 20')\nx = y + 1"
    ran = run(code, "x", root=project, source="a.ipynb")
    assert ran.digest == values.digest(21), ran.traceback


def test_top_level_await_runs(project: Path) -> None:
    """A notebook's top-level `await` works in a re-run."""
    ran = run("import asyncio\nx = await asyncio.sleep(0, 5)", "x", root=project, source="a.ipynb")
    assert ran.digest == values.digest(5), ran.traceback


def test_a_folder_outside_is_found_from_inside(tmp_path: Path) -> None:
    """A relative path that leaves the project leads to its input in the scratch copy too."""
    root = tmp_path / "notebooks"
    root.mkdir()
    raw = tmp_path / "raw.txt"
    raw.write_text("7")
    outside = InputFile(str(raw), values.digest_file(raw), 1)
    ran = run("x = int(open('../raw.txt').read())", "x", root=root, inputs=[outside])
    assert ran.digest == values.digest(7), ran.traceback


FOLDERS = [
    ("read('data/a.csv')", ["data/a.csv"], "train.py", "."),
    ("read('data/a.csv')", ["sub/data/a.csv"], "sub/train.py", "sub"),
    ("read('data/a.csv')", ["data/a.csv"], "sub/train.py", "."),
    ("read('../data/a.csv')", ["data/a.csv"], "notebooks/a.ipynb", "notebooks"),
    ("x = 1", [], "notebooks/a.ipynb", "notebooks"),
    ("x = 1", [], "sub/train.py", "."),
]


@pytest.mark.parametrize(("code", "inputs", "source", "expect"), FOLDERS)
def test_working_folder(code: str, inputs: list[str], source: str, expect: str) -> None:
    """The folder in which code ran is the one from which its paths lead to its inputs."""
    files = [InputFile(path, values.digest_bytes(b""), 0) for path in inputs]
    assert working_folder(code, files, source) == expect


def test_environment_is_left_alone(project: Path) -> None:
    """A run changes neither the folder nor the environment of the process that asked for it."""
    before = dict(os.environ), Path.cwd()
    run("import os\nos.environ['A_B'] = '1'\nx = 1", "x", root=project)
    assert (dict(os.environ), Path.cwd()) == before


def test_a_version_is_executed(project: Path, repository, store: Store) -> None:
    """A stored version can be run again for its value; a failure is an error with its traceback."""
    assert run_version(repository, store("a", [1], "x = [1]"), project) == [1]
    with pytest.raises(ReplayError, match="ZeroDivisionError"):
        run_version(repository, store("b", [1], "x = 1 / 0"), project)


def test_the_handle_is_the_same_as_in_a_session(project: Path, repository, store: Store) -> None:
    """In a re-run `linea.get` gives what it gives in a session: facts, code, parts of the value."""
    from linea.model import Parent

    first = store("a", [1, 2], "x = [1, 2]", message="why")
    code = (
        "import linea\na = linea.get('a')\n"
        "x = [a.name, a.version, a.message, a.get_code(), repr(a), linea.checkout('a'), len(a.inputs)]"
    )
    pinned = Parent(first.name, first.number, first.commit, first.digest)
    ran = run(code, "x", root=project, store=repository.path, parents=[pinned])
    wanted = ["a", 1, "why", "x = [1, 2]", "<Artifact a@v1: list of 2>", [1, 2], 0]
    assert ran.digest == values.digest(wanted), ran.traceback
    assert ran.loaded == (first.commit, first.commit)


def test_programs_of_other_kinds_change_nothing(project: Path) -> None:
    """Where the system allows, not even a shell can change the user's folder by an absolute path."""
    (project / "a.txt").write_text("41")
    code = f"import os\nos.system('rm -rf {project}/a.txt; echo x > {project}/b.txt')\nx = sorted(os.listdir({str(project)!r}))"
    plain = run("import os\nx = os.getcwd()", "x", root=project)
    if plain.digest != values.digest(str(project.resolve())):
        pytest.skip("this system gives no process a view of its own")
    ran = run(code, "x", root=project, inputs=[input_file(project, "a.txt")])
    assert ran.outcome == "done"
    assert tree(project) == {"a.txt": b"41"}


FOLDERS = {".": "data/a.txt", "sub": "../data/a.txt", "data": "a.txt"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_recorded_folder(project: Path, folder: str) -> None:
    """A slice runs in the folder that was recorded, though no path in it tells which."""
    (project / "data").mkdir()
    (project / "data" / "a.txt").write_text("41")
    code = f"import os\nx = open(os.path.join(*{FOLDERS[folder].split('/')!r})).read()"
    ran = run(code, "x", root=project, inputs=[input_file(project, "data/a.txt")], folder=folder)
    assert ran.digest == values.digest("41"), ran.traceback


def test_a_folder_outside_of_the_project(tmp_path: Path) -> None:
    """A slice that ran elsewhere runs in a copy of that folder, with the inputs from there."""
    root, other = tmp_path / "project", tmp_path / "other"
    root.mkdir()
    other.mkdir()
    (other / "a.txt").write_text("7")
    found = InputFile(str(other / "a.txt"), values.digest_file(other / "a.txt"), 1)
    code = "n = 'a'\nopen('out.txt', 'w').write('x')\nx = open(n + '.txt').read()"
    ran = run(code, "x", root=root, inputs=[found], folder=str(other))
    assert ran.digest == values.digest("7"), ran.traceback
    assert [path.name for path in other.iterdir()] == ["a.txt"]

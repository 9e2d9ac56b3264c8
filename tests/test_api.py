"""The public functions and `linea run`, from outside: real scripts in real folders."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import pytest


def run(folder: Path, *command: str, status: int | None = 0) -> str:
    """Standard output of a command in `folder`."""
    environment = {k: v for k, v in os.environ.items() if k != "LINEA_DIR"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )  # fmt: skip
    assert status is None or done.returncode == status, done.stdout + done.stderr
    return done.stdout


def linea(folder: Path, *arguments: str, status: int | None = 0) -> str:
    return run(folder, "-m", "linea", *arguments, status=status)


def script(folder: Path, text: str, name: str = "work.py") -> None:
    (folder / name).write_text(textwrap.dedent(text).lstrip("\n"))


@dataclass
class Case:
    """A script, and the slice of what it saves."""

    title: str
    source: str
    slice: str
    files: dict[str, str] = field(default_factory=dict)


CASES = [
    Case(
        "dead ends, prints and reassigned names go; in-place changes stay",
        """
        import linea
        import pandas as pd
        import json
        df = pd.DataFrame({"a": [3, 1, 2], "b": [0, 1, 0]})
        print(df.head())
        best = df.describe()
        df["c"] = df["a"] * 2
        df.drop(columns=["b"], inplace=True)
        df = df.sort_values("a")
        unused = json.dumps({})
        linea.save(df, "out")
        """,
        """
        import pandas as pd
        df = pd.DataFrame({"a": [3, 1, 2], "b": [0, 1, 0]})
        df["c"] = df["a"] * 2
        df.drop(columns=["b"], inplace=True)
        df = df.sort_values("a")
        """,
    ),
    Case(
        "an append through an alias and a helper that changes its argument",
        """
        import linea
        names = []
        alias = names
        other = ["x"]
        def extend(into, what):
            into.extend(what)
        alias.append("a")
        extend(other, ["y"])
        extend(names, ["b"])
        linea.save(names, "out")
        """,
        """
        names = []
        alias = names
        def extend(into, what):
            into.extend(what)
        alias.append("a")
        extend(names, ["b"])
        """,
    ),
    Case(
        "a CSV written and read back",
        """
        import linea
        import pandas as pd
        df = pd.read_csv("in.csv")
        df["y"] = df.x + 1
        df.to_csv("out.csv", index=False)
        df["y"] = 0
        other = pd.read_csv("in.csv")
        back = pd.read_csv("out.csv")
        linea.save(back, "out")
        """,
        """
        import pandas as pd
        df = pd.read_csv("in.csv")
        df["y"] = df.x + 1
        df.to_csv("out.csv", index=False)
        back = pd.read_csv("out.csv")
        """,
        files={"in.csv": "x\n1\n2\n"},
    ),
    Case(
        "an expression that is saved gets a name",
        """
        import linea
        a = [1, 2]
        b = 3
        linea.save(sum(a) * 2, "double sum")
        """,
        """
        a = [1, 2]
        double_sum = sum(a) * 2
        """,
    ),
    Case(
        "a save in main() keeps what main() needs",
        """
        import json
        import linea
        RATE = 2
        def load():
            return [3, 1]
        def main():
            data = load()
            print(json.dumps(data))
            note = len(data)
            linea.save([v * RATE for v in data], "out")
        if __name__ == "__main__":
            main()
        """,
        """
        import linea
        RATE = 2
        def load():
            return [3, 1]
        def main():
            data = load()
            linea.save([v * RATE for v in data], "out")
        if __name__ == "__main__":
            main()
        """,
    ),
    Case(
        "a file that is saved by its path brings what wrote it",
        """
        import linea
        from pathlib import Path
        rows = [1, 2]
        Path("other.html").write_text("x")
        Path("report.html").write_text(f"<p>{len(rows)}</p>")
        linea.save("report.html", "report")
        """,
        """
        from pathlib import Path
        rows = [1, 2]
        Path("report.html").write_text(f"<p>{len(rows)}</p>")
        report = 'report.html'
        """,
    ),
]  # fmt: skip


@pytest.mark.parametrize("how", ["linea run", "python"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.title)
def test_slice_of_a_script(case: Case, how: str, tmp_path: Path) -> None:
    """`linea run` and a plain run record the same slice, and running it alone gives the value."""
    script(tmp_path, case.source)
    for name, text in case.files.items():
        (tmp_path / name).write_text(text)
    run(tmp_path, *(["-m", "linea", "run"] if how == "linea run" else []), "work.py")
    (name,) = [line.split("  ")[0] for line in linea(tmp_path, "ls").splitlines()]
    code = linea(tmp_path, "show", name, "--code")
    if how == "python" and case.title.startswith("a save in main"):
        # `import json` stands before `import linea` and so ran before anything was watched.
        code = code.replace("import json\n", "")
    assert code.strip() == textwrap.dedent(case.slice).strip()
    assert "identical" in linea(tmp_path, "verify", name)


def test_lineage_within_and_across_sessions(tmp_path: Path) -> None:
    """What an artifact was loaded from, or went on from in the same session, is its parent."""
    script(
        tmp_path,
        'import linea\nx = [1]\nlinea.save(x, "x")\ny = x + [2]\nlinea.save(y, "y")\n',
        "one.py",
    )
    script(
        tmp_path, 'import linea\nv = linea.get("y").get_value()\nlinea.save(v * 2, "z")\n', "two.py"
    )
    linea(tmp_path, "run", "one.py")
    linea(tmp_path, "run", "two.py")
    found = run(
        tmp_path, "-c",
        "import linea\nfor n in 'xyz': print(n, [f'{p.name}@v{p.number}' for p in linea.get(n).parents])",
    )  # fmt: skip
    assert found.splitlines() == ["x []", "y ['x@v1']", "z ['y@v1']"]
    assert "identical" in linea(tmp_path, "verify", "z")


def test_status_tells_what_a_changed_input_makes_stale(tmp_path: Path) -> None:
    """A changed file makes what was made from it stale, and what was made from that."""
    (tmp_path / "in.txt").write_text("1")
    script(
        tmp_path,
        'import linea\nx = int(open("in.txt").read())\nlinea.save(x, "x")\nlinea.save(x + 1, "y")\n',
    )
    linea(tmp_path, "run", "work.py")
    assert "stale" not in linea(tmp_path, "status").replace("nothing is stale", "")
    (tmp_path / "in.txt").write_text("2")
    out = linea(tmp_path, "status", status=1)
    assert "in.txt changed" in out and "y@v1" in out


def test_values_and_code_come_back_in_another_process(tmp_path: Path) -> None:
    """`get` gives value, slice and session source of any revision."""
    script(
        tmp_path,
        'import linea\nx = {"a": (1, 2)}\njunk = 1\nlinea.save(x, "x")\nx["b"] = 2\nlinea.save(x, "x")\n',
    )
    linea(tmp_path, "run", "work.py")
    out = run(
        tmp_path, "-c",
        "import linea\n"
        "a = linea.get('x@v1'); b = linea.get('x', 2)\n"
        "print(a.get_value(), b.get_value(), a.version, b.version)\n"
        "print(b.get_code(), end='')\nprint('junk = 1' in b.get_session_code())",
    )  # fmt: skip
    assert (
        out == "{'a': (1, 2)} {'a': (1, 2), 'b': 2} 1 2\nx = {\"a\": (1, 2)}\nx[\"b\"] = 2\nTrue\n"
    )


def test_what_cannot_be_stored_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    """A generator, an open file and a bad name raise; the program goes on; no version appears."""
    script(
        tmp_path,
        """
        import linea
        for value, name in [((i for i in []), "a"), (open(__file__), "b"), (1, "a@b"), (1, "")]:
            try:
                linea.save(value, name)
            except linea.LineaError as error:
                print(type(error).__name__)
        """,
    )
    assert linea(tmp_path, "run", "work.py").splitlines() == [
        "UnstorableError", "UnstorableError", "NameNotAllowedError", "NameNotAllowedError",
    ]  # fmt: skip
    assert not (tmp_path / ".linea").exists()


def test_variables_can_be_saved_without_a_change_to_the_script(tmp_path: Path) -> None:
    """`linea run --save NAME` saves what a variable holds at the end."""
    script(tmp_path, "a = [1]\nb = 2\na.append(b)\nc = 9\n")
    linea(tmp_path, "run", "--save", "a", "work.py")
    assert linea(tmp_path, "show", "a", "--code") == "a = [1]\nb = 2\na.append(b)\n"


def test_a_file_written_from_a_value_is_found_by_its_content(tmp_path: Path) -> None:
    """`linea blame model.pkl` names the artifact, whatever the file is called now."""
    script(
        tmp_path,
        'import linea, pickle\nm = {"w": [1.5]}\nlinea.save(m, "model")\npickle.dump(m, open("model.pkl", "wb"))\n',
    )
    linea(tmp_path, "run", "work.py")
    (tmp_path / "model.pkl").rename(tmp_path / "renamed.pkl")
    assert 'm = {"w": [1.5]}' in linea(tmp_path, "blame", "renamed.pkl")


def test_importing_linea_loads_nothing_heavy() -> None:
    """No table, git or notebook library comes with `import linea` or the overview of commands."""
    heavy = "{'pandas', 'pyarrow', 'numpy', 'IPython', 'pygit2', 'dulwich', 'rich', 'polars', 'sklearn'}"
    for code in ("import linea", "import linea.cli.app as a; a.main(['--help'])"):
        out = run(
            Path.cwd(),
            "-c",
            f"import sys, io\nsys.stdout = io.StringIO()\n{code}\nsys.stdout = sys.__stdout__\nprint({heavy} & set(sys.modules))",
        )
        assert out == "set()\n"


def test_code_that_uses_a_pool_of_processes_can_be_verified(tmp_path: Path) -> None:
    """joblib's workers outlive the code that started them; a re-run ends all the same."""
    pytest.importorskip("joblib")
    (tmp_path / "s.py").write_text(
        "from joblib import Parallel, delayed\nimport linea\n"
        "def f(i):\n    return i * i\n"
        "a = Parallel(n_jobs=2)(delayed(f)(i) for i in range(4))\nlinea.save(a, 'a')\n"
    )
    subprocess.run([sys.executable, "-m", "linea", "run", "s.py"], cwd=tmp_path, check=True)
    done = subprocess.run(
        [sys.executable, "-m", "linea", "verify", "a"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )  # fmt: skip
    assert (done.returncode, "identical" in done.stdout) == (0, True), done.stdout + done.stderr

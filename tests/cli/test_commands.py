from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

from linea import values
from linea.model import InputFile, Verdict
from linea.store.repository import Repository
from tests.history.histories import START, History

from .conftest import Shell


def parsed(shell: Shell, *arguments: str) -> Any:
    """The machine form of a command."""
    return json.loads(shell(*arguments, "--json").out)


# ------------------------------------------------------------------------------------ asking


def test_ls(shell: Shell, houses: History) -> None:
    """A line an artifact."""
    found = shell("ls")
    assert found.out == snapshot("""\
clean  v3  2 weeks ago  table  2 rows × 4 columns  [good]
model  v2  2 weeks ago  data   dict of 2
""")
    assert (found.status, found.err) == (0, "")
    assert shell("ls", "model").out.count("\n") == 1
    assert [each["revision"] for each in parsed(shell, "ls")] == ["clean@v3", "model@v2"]


def test_ls_of_nothing(shell: Shell, store: Repository) -> None:
    """An empty store says how to fill it."""
    found = shell("ls")
    assert (found.status, found.out) == (0, "")
    assert "linea.save" in found.err
    assert parsed(shell, "ls") == []


def test_log(shell: Shell, houses: History) -> None:
    """A line a version: what changed, and why."""
    assert shell("log", "clean").out == snapshot("""\
v3  ccccccc  2 weeks ago  Ada     code clean.py:5 df["ratio"] = df.pri… ⇒ +ratio
v2  ccccccc  2 weeks ago  Bo   ✓  [good] code clean.py:4 df = df[df.p… ⇒ −1 rows
    cheap ones are mistakes
v1  ccccccc  2 weeks ago  Ada  ✗  from raw.csv
""")


def test_log_of_all(shell: Shell, houses: History) -> None:
    """Without a name, all artifacts."""
    assert shell("log").out == snapshot("""\
model@v2  ccccccc  2 weeks ago  Ada     from clean v2 → v3 ⇒ a 1 → 2
clean@v3  ccccccc  2 weeks ago  Ada     code clean.py:5 df["ratio"] =… ⇒ +ratio
model@v1  ccccccc  2 weeks ago  Ada     from clean@v2
clean@v2  ccccccc  2 weeks ago  Bo   ✓  [good] code clean.py:4 df = d… ⇒ −1 rows
    cheap ones are mistakes
clean@v1  ccccccc  2 weeks ago  Ada  ✗  from raw.csv
""")


def test_log_oneline(shell: Shell, houses: History) -> None:
    """The shortest form."""
    assert shell("log", "--oneline", "clean").out == snapshot("""\
v3  ccccccc     code clean.py:5 df["ratio"] = df.price / df.size_ · da… ⇒ +ratio
v2  ccccccc  ✓  [good] code clean.py:4 df = df[df.price > 150] ⇒ −1 rows
v1  ccccccc  ✗  from raw.csv
""")


def test_log_patch_and_stat(shell: Shell, houses: History) -> None:
    """How the code changed, with the facts."""
    assert shell("log", "-p", "--stat", "-n", "1", "clean").out == snapshot("""\
v3  ccccccc  2 weeks ago  code clean.py:5 df["ratio"] = df.price / df.… ⇒ +ratio
    +1 −0 lines · 2 rows × 4 columns · 1.2 kB · Ada
    @@ −2 +2 @@
     raw = pd.read_csv("raw.csv")
     df = raw.dropna()
     df = df[df.price > 150]
    +df["ratio"] = df.price / df.size_

""")


def test_log_graph(shell: Shell, houses: History) -> None:
    """The lineage across artifacts."""
    assert shell("log", "--graph").out == snapshot("""\
●  model@v2  2 weeks ago  from clean v2 → v3 ⇒ a 1 → 2
├─╮
│ ●  clean@v3  2 weeks ago  code clean.py:5 df["ratio"] = df.price / d… ⇒ +ratio
● │  model@v1  2 weeks ago  from clean@v2
╰─┤
  ●  clean@v2  2 weeks ago  code clean.py:4 df = df[df.price > 150] ⇒ −1 rows
  ●  clean@v1  2 weeks ago  from raw.csv
""")


@pytest.mark.parametrize(
    ("arguments", "expect"),
    [
        (["clean", "-n", "2"], [3, 2]),
        (["clean", "-n", "0"], [3, 2, 1]),
        (["clean@v2"], [2, 1]),
        (["clean", "--author", "bo"], [2]),
        (["clean", "--since", "2026-03-03"], [3]),
        (["clean", "--until", "2026-03-01"], [1]),
        (["clean", "--since", "3 weeks ago"], [3, 2, 1]),
    ],
)
def test_log_filters(
    shell: Shell, houses: History, arguments: list[str], expect: list[int]
) -> None:
    """Which versions are shown can be said."""
    assert [each["version"] for each in parsed(shell, "log", *arguments)] == expect


def test_show(shell: Shell, houses: History) -> None:
    """All about one version on one screen."""
    found = shell("show", "clean@v2")
    assert found.out == snapshot("""\
clean@v2  2 rows × 3 columns  [good]
  cheap ones are mistakes
  saved    2 weeks ago (2026-03-02 12:00) by Bo
  why      code clean.py:4 df = df[df.price > 150] ⇒ −1 rows
  from     raw.csv (3 B)
  source   clean.py
  env      Python 3.11.7, housing 3.1
  verified identical 2 weeks ago
  digest   DIGEST  968 B
  commit   COMMIT

  id          int64
  size_       int64
  price       int64

     id  size_  price
  1   2     60    200
  2   3     70    350

   1  import pandas as pd
   2  raw = pd.read_csv("raw.csv")
   3  df = raw.dropna()
   4  df = df[df.price > 150]
""")
    assert len(found.out.splitlines()) <= 40


def test_show_parts(shell: Shell, houses: History) -> None:
    """The code, the session or the value alone, for other programs."""
    code = houses.repository.code(houses.repository.tip("clean"))
    assert shell("show", "--code", "clean").out == code
    assert shell("show", "--session", "clean").out == code
    assert json.loads(shell("show", "--value", "model").out) == {"a": 2, "b": [1, 2]}
    assert "ratio" in shell("show", "--value", "clean").out


def test_show_json(shell: Shell, houses: History) -> None:
    """The machine form has all that was recorded."""
    found = parsed(shell, "show", "clean@good")
    assert found["revision"] == "clean@v2"
    assert found["inputs"][0]["path"] == "raw.csv"
    assert [column["name"] for column in found["columns"]] == ["id", "size_", "price"]
    assert found["verdict"]["outcome"] == "identical"
    assert found["tags"] == ["good"]
    assert found["children"] == []


def test_blame(shell: Shell, houses: History) -> None:
    """Each line with the version, author, age and place that brought it."""
    assert shell("blame", "clean").out == snapshot("""\
v1  Ada  2 weeks ago  clean.py:1  1  import pandas as pd
v1  Ada  2 weeks ago  clean.py:2  2  raw = pd.read_csv("raw.csv")
v1  Ada  2 weeks ago  clean.py:3  3  df = raw.dropna()
v2  Bo   2 weeks ago  clean.py:4  4  df = df[df.price > 150]
v3  Ada  2 weeks ago  clean.py:5  5  df["ratio"] = df.price / df.size_
""")
    assert [line["version"] for line in parsed(shell, "blame", "clean")] == [1, 1, 1, 2, 3]


def test_blame_columns(shell: Shell, houses: History) -> None:
    """Each column with the version that last changed it."""
    assert shell("blame", "--columns", "clean").out == snapshot("""\
v2  Bo   2 weeks ago  id     int64
v2  Bo   2 weeks ago  size_  int64
v2  Bo   2 weeks ago  price  int64
v3  Ada  2 weeks ago  ratio  float64  clean.py:5  df["ratio"] = df.price / df.s…
""")
    found = {each["column"]: each for each in parsed(shell, "blame", "--columns", "clean")}
    assert found["ratio"]["line"] == 5


def test_blame_of_a_file(shell: Shell, houses: History) -> None:
    """A file on disk is found by its content, whatever it is called now."""
    (shell.folder / "renamed.bin").write_bytes(b"as exported")
    found = shell("blame", "renamed.bin")
    assert found.err == "renamed.bin is clean@v1\n"
    assert len(found.out.splitlines()) == 3


def test_diff(shell: Shell, houses: History) -> None:
    """Code and value of two versions."""
    found = shell("diff", "clean@v1", "clean@v3")
    assert found.status == 1
    assert found.out == snapshot("""\
clean@v1 → clean@v3
data   raw.csv changed
code   +2 −0 lines
@@ −1 +1 @@
 import pandas as pd
 raw = pd.read_csv("raw.csv")
 df = raw.dropna()
+df = df[df.price > 150]
+df["ratio"] = df.price / df.size_
value  3 → 2 rows; −1 by id
  + ratio  float64
  − id=1, size_=50, price=100
""")


def test_diff_alone(shell: Shell, houses: History) -> None:
    """One revision is compared with the latest, the latest with the one before."""
    assert shell("diff", "clean@v1").out.startswith("clean@v1 → clean@v3\n")
    assert shell("diff", "clean").out.startswith("clean@v2 → clean@v3\n")


def test_diff_of_data(shell: Shell, houses: History) -> None:
    """Plain data by path, with the parents that moved."""
    assert shell("diff", "model").out == snapshot("""\
model@v1 → model@v2
from   clean v2 → v3
code   same
value  1 place changed
  a  1  →  2
""")


def test_diff_parts(shell: Shell, houses: History) -> None:
    """Only the code, only the value, only a summary."""
    code = shell("diff", "--code", "clean").out
    assert "value" not in code
    assert "+df" in code
    value = shell("diff", "--value", "clean").out
    assert "@@" not in value
    assert "ratio" in value
    assert shell("diff", "--stat", "clean").out.count("\n") <= 6


def test_diff_of_nothing(shell: Shell, houses: History) -> None:
    """Equal versions differ in nothing: status 0."""
    found = shell("diff", "clean@v2", "clean@good")
    assert (found.status, found.out) == (0, "clean@v2 → clean@v2\nnothing differs\n")
    assert parsed(shell, "diff", "clean@v2", "clean@v2")["differs"] is False


def test_diff_json(shell: Shell, houses: History) -> None:
    """The machine form of a difference."""
    found = parsed(shell, "diff", "clean@v1", "clean@v2")
    assert found["value"]["rows"] == [3, 2]
    assert found["value"]["rows_removed"] == 1
    assert found["code"]["added"] == 1


def test_status(shell: Shell, houses: History) -> None:
    """Stale artifacts with the reasons; status 1."""
    assert shell("status").out == snapshot("""\
2 artifacts, nothing is stale
2 not verified
""")
    (shell.folder / "raw.csv").write_bytes(b"newer")
    found = shell("status")
    assert found.status == 1
    assert found.out == snapshot("""\
2 of 2 artifacts stale
clean@v3
  raw.csv changed
model@v2
  clean is stale
2 not verified
""")
    assert [each["name"] for each in parsed(shell, "status")["stale"]] == ["clean", "model"]
    assert shell("status", "model").status == 1


def test_status_of_files(shell: Shell, houses: History) -> None:
    """A file that a version wrote and that was changed since is named; that is no staleness."""
    tip = houses.repository.tip("clean")
    houses.repository.note_written(tip, [InputFile("out.csv", values.digest_bytes(b"mine"), 4)])
    assert "out.csv" not in shell("status").out
    (shell.folder / "out.csv").write_bytes(b"else")
    found = shell("status")
    assert (found.status, found.out) == snapshot(
        (
            0,
            """\
2 artifacts, nothing is stale
out.csv isn't any more what clean@v3 wrote
2 not verified
""",
        )
    )
    assert parsed(shell, "status")["altered"] == [{"path": "out.csv", "revision": "clean@v3"}]


def test_log_of_a_file(shell: Shell, houses: History) -> None:
    """Everything that was made from it, read straight or through another artifact."""
    assert shell("log", "raw.csv").out == snapshot("""\
raw.csv  3 versions read it, 2 more rest on these; 2 contents
as it is now, read by clean@v3
model@v2  via clean@v3  ccccccc  2 weeks ago  Ada     from clean v2 →… ⇒ a 1 → 2
clean@v3  read it       ccccccc  2 weeks ago  Ada     code clean.py:5… ⇒ +ratio
model@v1  via clean@v2  ccccccc  2 weeks ago  Ada     from clean@v2
clean@v2  read it       ccccccc  2 weeks ago  Bo   ✓  [good] code cle… ⇒ −1 rows
    cheap ones are mistakes
clean@v1  read it       ccccccc  2 weeks ago  Ada  ✗  from raw.csv
""")
    found = parsed(shell, "log", "raw.csv")
    assert [each["via"] for each in found] == ["clean@v3", None, "clean@v2", None, None]
    (shell.folder / "raw.csv").unlink()
    assert "it is gone" in shell("log", "raw.csv").out


def test_log_of_a_file_of_unknown_origin(shell: Shell, houses: History) -> None:
    """A file that no version has, and none was made from, is told what it is nearest to."""
    houses.repository.tip("clean")
    houses.value("clean").assign(id=[7, 8]).to_parquet("sent.parquet")
    found = shell("log", "sent.parquet")
    assert (found.status, found.err) == snapshot(
        (
            2,
            """\
Error: sent.parquet is in no version
Hint: nearest: clean@v3 (3 of 4 columns are equal)
""",
        )
    )


def test_bisect(shell: Shell, houses: History) -> None:
    """Each step, then the version where it turned and what differs there."""
    assert shell("bisect", "clean", "--expr", "len(value) > 2").out == snapshot("""\
clean@v1  good  3  2 versions left, about 1 step
clean@v3  bad  2  2 versions left, about 1 step
clean@v2  bad  2
clean@v2 is the first bad one
  ccccccc  2 weeks ago by Bo
  cheap ones are mistakes
  code   clean.py:4 df = df[df.price > 150]
  value  −1 rows
""")
    found = parsed(shell, "bisect", "clean", "--expr", "len(value) > 2")
    assert (found["last_good"]["version"], found["first_bad"]["version"]) == (1, 2)
    assert shell("bisect", "clean").status == 2


def test_bisect_by_command(shell: Shell, houses: History) -> None:
    """A command gets the value as a file; its exit status is the answer."""
    test = "import sys, pandas; sys.exit(len(pandas.read_parquet(sys.argv[1])) < 3)"
    line = f"{shlex.quote(sys.executable)} -c {shlex.quote(test)} {{}}"
    assert "clean@v2 is the first bad one" in shell("bisect", "clean", "--run", line).out
    found = shell("bisect", "clean", "--run", "nosuchprogram {}")
    assert (found.status, "ended with 127" in found.err) == (2, True)


def test_graph(shell: Shell, houses: History) -> None:
    """What was made from what, down to the files."""
    assert shell("graph").out == snapshot("""\
●  model@v2  2 weeks ago  dict of 2
●  clean@v3  2 weeks ago  2 rows × 4 columns
○  raw.csv  3 B
""")
    assert shell("graph", "--no-files", "model").out.count("\n") == 2
    assert shell("graph", "-f", "mermaid").out.startswith("flowchart LR\n")
    assert shell("graph", "-f", "dot").out.startswith("digraph lineage {\n")
    assert {each["label"] for each in parsed(shell, "graph")["nodes"]} == {
        "model@v2", "clean@v3", "raw.csv",
    }  # fmt: skip


# ------------------------------------------------------------------------------ getting back


def test_checkout(shell: Shell, houses: History) -> None:
    """Value and code as files; work that is in no version is kept."""
    found = shell("checkout", "clean@v2", "--to", "out")
    assert found.status == 0
    assert sorted(found.out.split()) == ["out/clean.parquet", "out/clean.py"]
    (Path("out") / "clean.py").write_text("my work")
    found = shell("checkout", "clean@v2", "--to", "out")
    assert found.status == 2
    assert "Error: " in found.err
    assert shell("checkout", "clean@v2", "--to", "out", "--force").status == 0
    assert parsed(shell, "checkout", "clean", "--code", "--to", "o2")["files"] == ["o2/clean.py"]
    assert shell("checkout", "clean", "--value", "--to", "o3", "--format", "csv").out == (
        "o3/clean.csv\n"
    )


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("identical", 0), ("equal", 0), ("different", 1), ("failed", 2), ("impossible", 2)],
)
def test_verify(
    shell: Shell,
    houses: History,
    monkeypatch: pytest.MonkeyPatch,
    outcome: str,
    status: int,
) -> None:
    """The verdict and its detail; the exit status says which."""
    verdict = Verdict(outcome, START, seconds=1.25, detail="column price: 3 cells")
    monkeypatch.setattr("linea.replay.verify.verify", lambda *args, **options: verdict)
    found = shell("verify", "clean@v1")
    assert found.status == status
    assert found.out == f"clean@v1  {outcome}  (1.2 s)\n    column price: 3 cells\n"
    assert [each["revision"] for each in parsed(shell, "verify", "--all")] == [
        "clean@v3", "model@v2",
    ]  # fmt: skip


def test_export(shell: Shell, houses: History) -> None:
    """A module with a function for an artifact."""
    found = shell("pipeline", "export", "clean")
    assert "def " in found.out
    assert shell("pipeline", "export", "clean", "-o", "m.py").err == "Wrote m.py.\n"
    assert Path("m.py").read_text() == found.out
    assert shell("pipeline", "export", "clean", "-o", "m.py").status == 0  # the same again
    Path("m.py").write_text("mine")
    assert shell("pipeline", "export", "clean", "-o", "m.py").status == 2
    assert parsed(shell, "pipeline", "export", "clean")["revisions"] == ["clean@v3"]


# ---------------------------------------------------------------------------- keeping in order


def test_tag(shell: Shell, houses: History) -> None:
    """Tags are listed, put, moved and taken away; how to undo it is said."""
    assert shell("tag").out == "clean  v2  good\n"
    assert shell("tag", "model@v1", "prod").err == "model@v1 is now model@prod. Undo: linea undo\n"
    assert shell("tag", "model", "prod").err == (
        "model@v2 is now model@prod, was on v1. Undo: linea undo\n"
    )
    assert parsed(shell, "tag") == {"clean": {"good": 2}, "model": {"prod": 2}}
    found = shell("tag", "model", "-d", "prod")
    assert found.err == "Took prod off model@v2. Undo: linea tag model@v2 prod\n"
    assert shell("tag", "model").err == "No tags.\n"


def test_rm_and_undo(shell: Shell, houses: History) -> None:
    """What was removed comes back by the command that rm names."""
    assert shell("rm", "clean@v2").err == "Removed clean@v2. Undo: linea undo clean@v2\n"
    assert [each["version"] for each in parsed(shell, "log", "clean")] == [3, 1]
    assert shell("undo", "clean@v2").err.startswith("Undone: delete clean@v2. Redo: linea undo ")
    assert len(parsed(shell, "log", "clean")) == 3
    assert shell("rm", "model").err == "Removed model. Undo: linea undo model\n"
    assert [each["name"] for each in parsed(shell, "ls")] == ["clean"]
    assert shell("undo").err.startswith("Undone: delete model. Redo: ")
    assert len(parsed(shell, "log", "model")) == 2


def test_undo_the_last_operation(shell: Shell, houses: History) -> None:
    """Each undo takes back one more operation, and the redo that it names brings that back."""
    known = [each["what"] for each in parsed(shell, "undo", "--list")]
    assert known[-1] == "save clean@v1"
    shell("tag", "model@v1", "prod")
    assert [each["what"] for each in parsed(shell, "undo", "--list")] == [
        "tag model@v1 as prod",
        *known,
    ]
    assert parsed(shell, "undo")["undone"]["kind"] == "tag"
    assert parsed(shell, "tag") == {"clean": {"good": 2}}
    found = parsed(shell, "undo")
    assert found["undone"]["what"] == known[0]
    assert [each["what"] for each in parsed(shell, "undo", "--list")] == known[1:]
    assert shell("undo", found["by"]).status == 0
    assert [each["what"] for each in parsed(shell, "undo", "--list")] == known


def test_rm_is_all_or_nothing(shell: Shell, houses: History) -> None:
    """A wrong name among several removes nothing."""
    assert shell("rm", "clean", "nope").status == 2
    assert len(parsed(shell, "ls")) == 2


def test_fsck(shell: Shell, houses: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every version is read and held against what was recorded."""
    assert shell("fsck").out == "5 versions, all as stored\n"
    original = Repository.read_part

    def damaged(self: Repository, version: Any) -> Any:
        if version.revision == "model@v1":
            return lambda path: b"other bytes"
        return original(self, version)

    monkeypatch.setattr(Repository, "read_part", damaged)
    found = shell("fsck")
    assert found.status == 2
    assert "5 versions, 1 problem\n  model@v1: " in found.out


def test_gc(shell: Shell, houses: History) -> None:
    """gc says what it would do, does it, and how to take it back; undo does."""
    assert shell("gc").err == "Freed 0 B.\n"
    would = parsed(shell, "gc", "--drop-values", "--unproven", "--dry-run")
    assert [each["revision"] for each in would["dropped"]] == ["clean@v1", "model@v1"]
    found = shell("gc", "--drop-values", "--unproven")
    assert "Dropped 2 values." in found.err
    assert "Undo: linea undo" in found.err
    assert shell("fsck").out == "5 versions, all as stored\n"
    refused = shell("checkout", "clean@v1", "--value")
    assert refused.err.startswith("Error: the value of clean@v1 was dropped")
    assert shell("undo").err.startswith("Undone: drop the values of clean@v1")
    assert shell("checkout", "clean@v1", "--value").status == 0
    assert shell("gc", "--keep-last", "3").status == 2
    assert shell("gc", "--grace", "soon").status == 2


# ---------------------------------------------------------------------------------- beginning


def test_init(shell: Shell) -> None:
    """A store is made once; again nothing happens."""
    assert shell("init").err == "Made a store in PROJECT/.linea\n"
    assert shell("init").err == "There is a store already in PROJECT/.linea\n"
    assert shell("init", "new/place").status == 0
    assert (shell.folder / "new" / "place" / ".linea").is_dir()
    assert parsed(shell, "init", "third")["created"] is True


class Runs(list[tuple[Any, ...]]):
    """What `linea run` handed to the API."""


@pytest.fixture
def runs(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Runs:
    seen = Runs()

    def recorder(kind: str) -> Any:
        def record(what: Any, *rest: Any, **options: Any) -> int:
            seen.append((kind, str(what), *rest, options))
            return 7

        return record

    for kind in ("script", "module", "notebook"):
        for module in ("linea.api", "linea.watching"):
            monkeypatch.setattr(f"{module}.run_{kind}", recorder(kind))
    for name in ("train.py", "n.ipynb"):
        (shell.folder / name).write_text("import sys\nprint(sys.argv)\n")
    (shell.folder / "plain.py").write_text("x = 1\n")
    return seen


@pytest.mark.parametrize(
    ("line", "expect"),
    [
        ("train.py", ("script", "train.py", [], {})),
        (
            "train.py --save x -h --json",
            ("script", "train.py", ["--save", "x", "-h", "--json"], {}),
        ),
        ("plain.py --save x", ("script", "plain.py", [], {"save": ("x",)})),
        ("train.py -- -x", ("script", "train.py", ["--", "-x"], {})),
        ("--save x --save y train.py a", ("script", "train.py", ["a"], {"save": ("x", "y")})),
        ("-- train.py -x", ("script", "train.py", ["-x"], {})),
        ("-m pkg.mod -m x --help", ("module", "pkg.mod", ["-m", "x", "--help"], {})),
        ("-mpkg.mod -x", ("module", "pkg.mod", ["-x"], {})),
        ("--save x -m pkg", ("module", "pkg", [], {"save": ("x",)})),
        ("n.ipynb", ("notebook", "n.ipynb", {"output": None})),
        ("-o out.ipynb n.ipynb", ("notebook", "n.ipynb", {"output": Path("out.ipynb")})),
    ],
)
def test_run(shell: Shell, runs: Runs, line: str, expect: tuple[Any, ...]) -> None:
    """Everything behind the file belongs to the program; its exit status is linea's."""
    assert shell("run", *line.split()).status == 7
    assert runs == [expect]


def test_show_statistics(shell: Shell, houses: History) -> None:
    """Facts about each column, read from the table when asked for."""
    shown = shell("show", "--stats", "clean@v1").out
    assert "mean 216.667, std 102.74, min 100, max 350" in shown
    assert parsed(shell, "show", "--stats", "clean@v1")["statistics"]["id"]["max"] == 3
    assert shell("show", "--stats", "model").status == 2


@pytest.mark.parametrize(
    ("variable", "start"),
    [
        ("KITTY_WINDOW_ID", "\x1b_Ga=T,f=100,m=1;"),
        ("TERM_PROGRAM", "\x1b]1337;File=inline=1;size=6000:"),
    ],
)
def test_pictures_in_terminals(variable: str, start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that can show pictures is sent them in its own way; another one nothing."""
    from linea.cli.render import Screen, inline_picture

    for name in ("KITTY_WINDOW_ID", "TERM_PROGRAM", "TERM"):
        monkeypatch.delenv(name, raising=False)
    screen = Screen(sys.stdout, 80, color=True, unicode=True, terminal=True)
    assert inline_picture(screen, b"x" * 6000) == ""
    monkeypatch.setenv(variable, "WezTerm")
    drawn = inline_picture(screen, b"x" * 6000)
    assert drawn.startswith(start)
    assert (
        inline_picture(Screen(sys.stdout, 80, color=False, unicode=True, terminal=False), b"x")
        == ""
    )

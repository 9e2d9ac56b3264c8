"""Real Jupyter kernels: cells in any order, re-run, edited; displays, magics, await and errors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")


class Kernel:
    """A kernel that cells are sent to in any order."""

    def __init__(self, folder: Path) -> None:
        self.notebook = nbformat.v4.new_notebook()
        self.client = nbclient.NotebookClient(
            self.notebook, kernel_name="python3", allow_errors=True, resources={"metadata": {"path": str(folder)}}
        )  # fmt: skip
        self.client.create_kernel_manager()

    def __enter__(self) -> Kernel:
        from nbclient.util import run_sync

        run_sync(self.client.async_start_new_kernel)()
        run_sync(self.client.async_start_new_kernel_client)()
        return self

    def __exit__(self, *_: object) -> None:
        self.client._cleanup_kernel()

    def run(self, source: str) -> list[Any]:
        """Outputs of `source`, run as a cell."""
        cell = nbformat.v4.new_code_cell(source)
        self.notebook.cells.append(cell)
        self.client.execute_cell(cell, len(self.notebook.cells) - 1)
        return list(cell.outputs)

    def text(self, source: str) -> str:
        """What a cell prints and displays."""
        parts = []
        for output in self.run(source):
            if output.output_type == "stream":
                parts.append(output.text if output.name == "stdout" else "")
            elif output.output_type == "error":
                parts.append(f"{output.ename}: {output.evalue}\n")
            else:
                parts.append(output.data["text/plain"] + "\n")
        return "".join(parts)


def assert_verified(folder: Path, *names: str) -> None:
    """The slices of the artifacts, run again alone by the command, give the stored values."""
    done = subprocess.run(
        [sys.executable, "-m", "linea", "verify", *names], cwd=folder, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert (done.returncode, done.stdout.count("identical") >= len(names)) == (0, True), (
        done.stdout + done.stderr
    )


def test_what_counts_is_what_ran_in_the_order_it_ran(tmp_path: Path) -> None:
    """Cells run out of order, twice, edited and after an error give the slice of what happened."""
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext linea\nimport linea")
        kernel.run("b = a + 1")  # NameError: runs before `a` is there
        kernel.run("a = [1]\njunk = 3")
        kernel.run("a.append(2)")
        kernel.run("a.append(2)")
        kernel.run("b = sum(a)\nb")
        kernel.run("junk = b * 2\nprint(junk)")
        kernel.run("b = sum(a) + 10")
        code = kernel.text("print(linea.save(b, 'b').get_code(), end='')")
        assert code.endswith("a = [1]\na.append(2)\na.append(2)\nb = sum(a) + 10\n"), code
        value = kernel.text("linea.get('b').get_value()")
        assert value == "15\n"


def test_displays_magics_await_and_tracebacks_stay_as_they_are(tmp_path: Path) -> None:
    """The last expression displays, magics work, await works, errors show the user's own frames."""
    cells = [
        "x = 20\nx + 1", "x;", "%time y = 3", "%%capture cap\nprint('hidden')", "cap.stdout",
        "import asyncio\nawait asyncio.sleep(0, 7)", "!echo shell", "_ , __", "def f():\n    return 1 / 0\nf()",
        "x = 5; x", "%who_ls int", "z = !echo a b\nz", "Out[1]", "print(__name__)\n'end'", "if True: 3", "class A: pass\nA.__module__",
    ]  # fmt: skip

    def outputs(first: str) -> list[str]:
        with Kernel(tmp_path) as kernel:
            kernel.run(first)
            found = []
            for cell in cells:
                outs = kernel.run(cell)
                found.append(
                    [
                        (
                            o.output_type,
                            o.get("text", ""),
                            dict(o.get("data", {})),
                            o.get("ename"),
                            len(o.get("traceback", [])),
                        )
                        for o in outs
                        if "Wall time" not in o.get("text", "")
                    ]
                )
            return found  # type: ignore[return-value]

    assert outputs("%load_ext linea") == outputs("pass")


def test_a_slice_of_displayed_values_and_magics_runs_as_plain_python(tmp_path: Path) -> None:
    """`_`, `Out[n]`, `%time` and `!cmd` are written as what they stand for, and verify proves it."""
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext linea")
        kernel.run("import linea\n[1, 2]")
        kernel.run("_.append(3)")
        kernel.run("%time k = len(Out[2])")
        kernel.run("!echo 7 > n.txt")
        kernel.run("v = [k, int(open('n.txt').read()), _2]")
        kernel.run("linea.save(v, 'v')")
    assert_verified(tmp_path, "v")


def test_a_slice_of_tasks_started_in_cells_runs_in_a_loop_of_its_own(tmp_path: Path) -> None:
    """Cells have a running event loop; a slice that starts tasks at the top level gets one too."""
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext linea")
        kernel.run("import asyncio, linea\nseen = []")
        kernel.run(
            "async def work(n):\n    await asyncio.sleep(0)\n    seen.append(n)\n    return n"
        )
        kernel.run("def start(n):\n    return asyncio.ensure_future(work(n))")
        kernel.run("first = asyncio.create_task(work(1)); second = start(2)")
        kernel.run("r = [await first, await second]")
        kernel.run("linea.save((r, seen), 'v')")
    assert_verified(tmp_path, "v")


def test_loading_late_keeps_what_ran_before(tmp_path: Path) -> None:
    """Cells that ran before `%load_ext` come from IPython's history, and the artifact says so."""
    with Kernel(tmp_path) as kernel:
        kernel.run("a = [1]")
        kernel.run("a.append(2)")
        kernel.run("import linea")
        kernel.run("%load_ext linea")
        kernel.run("b = a + [3]")
        assert kernel.text("linea.save(b, 'b').get_value()") == "[1, 2, 3]\n"
        code = kernel.text("print(linea.get('b').get_code(), end='')")
    assert code == "a = [1]\na.append(2)\nb = a + [3]\n"


def test_loading_late_takes_errors_outputs_and_unknown_variables_as_they_are(
    tmp_path: Path,
) -> None:
    """Cells that failed are tolerated, displayed values are found, what nobody typed is said."""
    with Kernel(tmp_path) as kernel:
        kernel.run("xs = [1]\nxs.append(2)\nbad = 1 / 0\nxs.append(3)")
        kernel.run("xs")
        kernel.client.kc.execute("quiet = 7; model = [1]", store_history=False)
        kernel.run("%load_ext linea\nimport linea")
        kernel.run("y = [_[1], quiet]")
        kernel.run("z = len(model)")
        kernel.run("linea.save(y, 'y')")
        code = kernel.text("print(linea.get('y').get_code())")
        assert "xs.append(3)" not in code and "quiet = 7" in code, code
        told = "model was made before linea was loaded, by code that isn't in IPython's history"
        assert told in kernel.text("%linea slice z")
    assert_verified(tmp_path, "y")


def test_values_displayed_before_the_last_are_found(tmp_path: Path) -> None:
    """`__` and `___` stand for the outputs they were, whatever came after, also when shown twice."""
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext linea\nimport linea")
        for cell in ("[10]", "[20]", "[30]", "_", "__.append(___[0])", "v = [__, ___, _]"):
            kernel.run(cell)
        kernel.run("linea.save(v, 'v');")
        kernel.run("linea.save(__, 'w')")
        kernel.run("for _, __ in [(1, 2)]: pass")
        kernel.run("u = __\nlinea.save(u, 'u')")
    assert_verified(tmp_path, "v", "w", "u")


def test_the_linea_magic_tells_what_is_watched_and_slices_without_saving(tmp_path: Path) -> None:
    """`%linea slice x` and `%linea status` answer from the record."""
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext linea")
        kernel.run("x = 1\ny = 2\nz = x + 1")
        assert kernel.text("%linea slice z") == "x = 1\nz = x + 1\n"
        assert "statements recorded" in kernel.text("%linea")
        asked = "get_ipython().complete({!r}, {!r}, {})[1]"
        assert kernel.text(asked.format("sl", "%linea sl", 9)) == "['slice']\n"
        assert kernel.text(asked.format("", "%linea slice ", 13)) == "['x', 'y', 'z']\n"
    assert not (tmp_path / ".linea").exists()


def test_linea_run_executes_a_notebook_in_a_kernel(tmp_path: Path) -> None:
    """`linea run FILE.ipynb` prints what the cells print, records places, and can write the outputs."""
    notebook = nbformat.v4.new_notebook()
    for source in [
        "import linea\nx = [3, 1]",
        "x.sort()\nprint('sorted')",
        "linea.save(x, 'x')\nx",
    ]:
        notebook.cells.append(nbformat.v4.new_code_cell(source))
    nbformat.write(notebook, tmp_path / "work.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "linea", "run", "--output", "done.ipynb", "work.ipynb"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "sorted" in done.stdout
    shown = subprocess.run(
        [sys.executable, "-m", "linea", "blame", "x"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout  # fmt: skip
    assert "work.ipynb [1]:2" in shown and "work.ipynb [2]:1" in shown, shown
    assert (
        nbformat.read(tmp_path / "done.ipynb", as_version=4)
        .cells[-1]
        .outputs[-1]
        .data["text/plain"]
        == "[1, 3]"
    )


def test_cells_outside_the_history_are_taken_as_they_are(tmp_path: Path) -> None:
    """What front ends run silently, or without a number, changes values like anything else."""
    with Kernel(tmp_path) as kernel:

        def quietly(source: str, **how: bool) -> None:
            kernel.client.kc.execute(source, **how)

        kernel.run("%load_ext linea\nimport linea")
        kernel.run("x = [1]")
        quietly("x.append(2)", silent=True)
        quietly("x.append(3)", store_history=False)
        kernel.run("x.append(4)")
        code = kernel.text("print(linea.save(x, 'x').get_code(), end='')")
        assert code == "x = [1]\nx.append(2)\nx.append(3)\nx.append(4)\n"
        whole = kernel.text("print(linea.get('x').get_session_code())")
        assert "x.append(3)" in whole and "x.append(2)" not in whole


def test_watching_can_be_switched_on_late_and_asked_of(tmp_path: Path) -> None:
    """What ran before comes from the history, and slices say that it wasn't watched."""
    with Kernel(tmp_path) as kernel:
        kernel.run("xs = [3]")
        kernel.run("ys = xs\nys.append(1)")
        kernel.run("junk = 5")
        kernel.run("%load_ext linea\nzs = sorted(xs)")
        shown = kernel.text("%linea slice zs")
        kept = "xs = [3]\nys = xs\nys.append(1)\nzs = sorted(xs)\n"
        assert (
            shown
            == kept + "# may be larger than needed: some statements ran before linea was loaded\n"
        )
        assert "statements recorded" in kernel.text("%linea status")
        assert kernel.text("%linea save zs late one") == "<Artifact late one@v1: list of 2>\n"
        assert kernel.text("%linea log").endswith("late one@v1\n")
        assert kernel.text("import linea\nlinea.slice(zs)") == kept


def test_a_slice_stops_where_a_statement_was_interrupted(tmp_path: Path) -> None:
    """What was stopped by hand is stopped again after that time, so a slice never runs for ever."""
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext linea\nimport linea, os, signal, threading, time")
        kernel.run("xs = []")
        kernel.run(
            "threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
            "for i in range(4):\n    xs.append(i)\nwhile xs:\n    xs.append(4) if len(xs) < 5 else time.sleep(9)"
        )
        kernel.run("total = sum(xs)")
        code = kernel.text("print(linea.save(total, 'total').get_code(), end='')")
    assert "setitimer(_linea_signal.ITIMER_REAL" in code, code
    assert_verified(tmp_path, "total")


def test_magics_of_the_users_own_and_earlier_cells_run_in_slices(tmp_path: Path) -> None:
    """A slice has what registered a magic, and what `%rerun`, macros, `In` and `_i` stand for."""
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext linea\nimport linea")
        kernel.run("from IPython.core.magic import register_line_magic\nseen = []")
        kernel.run("@register_line_magic\ndef double(line):\n    return int(line) * 2")
        kernel.run("a = %double 4\nx = a")
        kernel.run("x += 1")
        kernel.run("%rerun 5")
        kernel.run("%macro again 5")
        kernel.run("again")
        kernel.run("%%time\nseen.append(0)\n[x, 1]")
        kernel.run("v = [x, _, In[5], _ih[-2], _i]")
        kernel.run("!exit 3")
        kernel.run("status = _exit_code")
        kernel.run("found = !echo one; echo two")
        kernel.run("found.append('three')")
        kernel.run("linea.save(v, 'v'); linea.save(status, 'status'); linea.save(found, 'found')")
        code = kernel.text("print(linea.get('v').get_code())")
        assert "double" in code and code.count("x += 1\n") == 3, code
        assert "exit 3" not in kernel.text("print(linea.get('v').get_code())")
        assert kernel.text("linea.get('v').get_value()[0]") == "11\n"
    assert_verified(tmp_path, "v", "status", "found")


def test_a_module_that_cells_write_is_followed_through_autoreload(tmp_path: Path) -> None:
    """What an old version of a module gave keeps it, what the reloaded one gave has both."""
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext autoreload\n%autoreload 2\n%load_ext linea")
        kernel.run("%%writefile own.py\ndef f(x): return x + 1\n")
        kernel.run("import linea, own\nfrom own import f")
        kernel.run("a = f(1)")
        kernel.run("import os; n = open('own.py', 'w').write('def f(x): return x * 10\\n')")
        kernel.run("os.utime('own.py', (2e9, 2e9))")
        kernel.run("b = (f(2), own.f(3))")
        kernel.run("c = 5")
        shown = kernel.text("for n in 'abc': print(linea.save(globals()[n], n).get_value())")
        assert shown == "2\n(20, 30)\n5\n"
        kernel.run("linea.save(a, 'a')")
        kernel.run("linea.save(b, 'b')")
        kernel.run("linea.save(c, 'c')")
        assert "x * 10" not in kernel.text("print(linea.get('a').get_code())")
        assert kernel.text("print(linea.get('c').get_code())") == "c = 5\n\n"
    assert_verified(tmp_path, "a", "b")


def test_a_reload_that_keeps_what_did_not_change_keeps_it_in_slices_too(tmp_path: Path) -> None:
    """`%autoreload` puts in what differs, and lists of the module live on: so does a slice's."""
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext autoreload\n%autoreload 2\n%load_ext linea")
        kernel.run("%%writefile own.py\nSEEN = []\ndef f(x): SEEN.append(x); return x + 1\n")
        kernel.run("import linea, own, os\na = own.f(1)")
        kernel.run("text = open('own.py').read().replace('+ 1', '* 10')")
        kernel.run("n = open('own.py', 'w').write(text)\nos.utime('own.py', (2e9, 2e9))")
        kernel.run("b = own.f(2)")
        kernel.run("seen = list(own.SEEN)")
        kernel.run("linea.save(seen, 'seen')")
        kernel.run("linea.save(b, 'b')")
    assert_verified(tmp_path, "seen", "b")


def test_a_script_run_on_the_names_of_the_session_reads_them(tmp_path: Path) -> None:
    """`%run -i` gives a script the session's names, also those that it only asks for."""
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext linea\nimport linea\nbase = 100\nother = 7")
        kernel.run("%%writefile job.py\ntotal = base + 1\n")
        kernel.run("%run -i job.py")
        kernel.run("linea.save(total, 'total')")
        kernel.run("%%writefile asks.py\nmore = 1 if 'base' in globals() else 0\n")
        kernel.run("%run -t -i asks.py")
        kernel.run("linea.save(more, 'more')")
        assert "other" not in kernel.text("print(linea.get('total').get_code())")
    assert_verified(tmp_path, "total", "more")


def test_cells_are_recorded_as_transformers_of_the_users_leave_them(tmp_path: Path) -> None:
    """What the user's own transformers make of a cell is what ran, and each runs once a cell."""
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext linea\nimport linea, ast\nran = []")
        kernel.run(
            "class Tens(ast.NodeTransformer):\n    def visit_Constant(self, node):\n"
            "        return ast.Constant(node.value * 10) if type(node.value) is int else node\n"
            "shell = get_ipython(); shell.ast_transformers.append(Tens())"
        )
        kernel.run("i = 5")
        kernel.run(
            "shell.ast_transformers[:] = [t for t in shell.ast_transformers if type(t).__name__ != 'Tens']"
        )
        kernel.run(
            "def answer(lines):\n    ran.append(0)\n    return [l.replace('ANSWER', '42') for l in lines]\n"
            "shell.input_transformers_post.append(answer)"
        )
        kernel.run("k = ANSWER + i")
        assert kernel.text("print(linea.save(k, 'k').get_code(), end='')") == "i = 50\nk = 42 + i\n"


def test_a_failure_while_reading_a_cell_is_unseen(tmp_path: Path) -> None:
    """A fault in what reads magics, statements or the history leaves cells as they are."""
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext linea\nimport linea")
        kernel.run(
            "from linea.capture import magics, notebook, source\ndef broken(*a, **k): raise RuntimeError('injected')\n"
            "magics.is_idle = magics.portable = magics.going_back = broken"
        )
        assert kernel.text("x = [1]\nx.append(2)\nx") == "[1, 2]\n"
        kernel.run("source.span = notebook.Place = broken")
        assert kernel.text("x.append(3)\nx") == "[1, 2, 3]\n"
        assert kernel.text("1/0") == "ZeroDivisionError: division by zero\n"
        assert "capture failed" in kernel.text("%linea status")


def test_figures_are_closed_between_cells_in_slices_too(tmp_path: Path) -> None:
    """The inline backend closes figures after each cell, so the next plot draws in a new one."""
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext linea\n%matplotlib inline\nimport linea, matplotlib.pyplot as plt")
        kernel.run("f, a = plt.subplots()\na.plot([1, 2])")
        kernel.run("plt.plot([3, 4, 5])\ng = plt.gcf()")
        kernel.run("both = [len(f.axes[0].lines), len(g.axes[0].lines)]")
        kernel.run("linea.save(both, 'both')")
        kernel.run("linea.save(f, 'f')")
        alone = kernel.text("print(linea.slice(g), end='')")
    assert alone == "import matplotlib.pyplot as plt\nplt.plot([3, 4, 5])\ng = plt.gcf()\n"
    assert_verified(tmp_path, "both", "f")


def test_importing_linea_in_a_cell_starts_watching_there(tmp_path: Path) -> None:
    """As in a script: the rest of the cell is watched, and what stands before it is taken."""
    with Kernel(tmp_path) as kernel:
        kernel.run("a = [1]")
        kernel.run("junk = 5\nb = a; import linea, os; b.append(2)\njunk += 1")
        kernel.run("c = b + [len(os.sep)]")
        code = kernel.text("print(linea.save(c, 'c').get_code())")
        assert code == "a = [1]\nb = a\nimport os\nb.append(2)\nc = b + [len(os.sep)]\n\n"
        kernel.run("get_ipython().extension_manager.load_extension('linea')")
        assert "capture failed" not in kernel.text("%linea status")
    assert_verified(tmp_path, "c")


def test_an_await_is_kept_for_what_tasks_went_on_with_meanwhile(tmp_path: Path) -> None:
    """A task that was started before changes things while a later statement waits."""
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext linea\nimport asyncio, linea\nseen = []")
        kernel.run("async def work(n):\n    await asyncio.sleep(0.01)\n    seen.append(n)")
        kernel.run("task = asyncio.create_task(work(8))\nawait asyncio.sleep(0.3)")
        kernel.run("r = list(seen)")
        kernel.run("linea.save(r, 'r')")
        assert kernel.text("linea.get('r').get_value()") == "[8]\n"
    assert_verified(tmp_path, "r")

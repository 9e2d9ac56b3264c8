"""`with linea.saving():` from outside: real scripts and kernels, other processes beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from .test_api import linea, run, script

OTHERS = """
    import subprocess, sys
    import linea

    def others(code="print(*sorted(a.name for a in linea.artifact_store()))"):
        done = subprocess.run([sys.executable, "-c", "import linea;" + code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()
    """


def program(folder: Path, text: str) -> list[str]:
    """What a program prints that can ask another process what is in the store."""
    script(folder, OTHERS, "other.py")
    script(folder, text)
    return run(folder, "work.py").splitlines()


CASES = [
    (
        "all become visible together, and the block itself sees what it has saved",
        """
        import linea
        from other import others
        linea.save(0, "seed")
        with linea.saving():
            one = linea.save([1], "one", tags="new")
            two = linea.save([2], "two")
            more = linea.save([3], "one")
            print(*others(), one.version, more.version, linea.get("one").get_value())
            print(linea.get("one@new").get_value(), linea.get("two").version)
        print(*others(), one.version, more.version, linea.get("one~1").get_value())
        """,
        ["seed 1 2 [3]", "[1] 1", "one seed two 1 2 [1]"],
    ),
    (
        "an exception saves nothing, and handles say so",
        """
        import linea
        from other import others
        linea.save(0, "seed")
        try:
            with linea.saving():
                lost = linea.save([1], "lost")
                linea.save([1], "seed")
                1 / 0
        except ZeroDivisionError:
            print(*others(), linea.get("seed").version)
        print(repr(lost)[:29])
        try:
            lost.version
        except linea.LineaError as error:
            print(error)
        """,
        [
            "seed 1",
            "<Artifact: lost@v1 wasn't sav",
            "lost@v1 wasn't saved: its `with linea.saving()` block ended by an exception"
            " (save it again)",
        ],
    ),
    (
        "a block inside another one takes back what it saved itself",
        """
        import linea
        from other import others
        with linea.saving() as outer:
            linea.save(1, "a")
            try:
                with linea.saving():
                    linea.save(2, "b")
                    linea.save(3, "a")
                    raise KeyError
            except KeyError:
                pass
            print(linea.get("a").version)
            with linea.saving():
                linea.save(4, "c")
        print(*others(), linea.get("a").get_value(), [each.name for each in outer.artifacts])
        """,
        ["1", "a c 1 ['a', 'c']"],
    ),
    (
        "who saves the same artifact meanwhile gets the number, and nothing refers to another one",
        """
        import linea
        from other import others
        with linea.saving():
            x = linea.save(10, "x")
            y = linea.save(linea.get("x").get_value() + 1, "y")
            loaded = linea.get("x")
            others("linea.save(99, 'x')")
        print(x.version, loaded.version, linea.get("x").commit == x.commit)
        print([(p.name, p.number) for p in linea.get("y").parents], y.parents[0].commit == x.commit)
        z = linea.save(loaded.get_value() + 5, "z")
        print([(p.name, p.number) for p in z.parents])
        """,
        ["2 2 True", "[('x', 2)] True", "[('x', 2)]"],
    ),
    (
        "threads and children of the program save as ever, and what runs in its context with it",
        """
        import asyncio, contextvars, os, threading
        import linea
        from other import others
        async def work():
            with linea.saving():
                linea.save(1, "own")
                thread = threading.Thread(target=lambda: linea.save(1, "thread"))
                thread.start()
                thread.join()
                child = os.fork()
                if child == 0:
                    linea.save(1, "child")
                    os._exit(0)
                os.waitpid(child, 0)
                await asyncio.to_thread(linea.save, 1, "pool")
                async def task():
                    linea.save(1, "task")
                await asyncio.create_task(task())
                print(*others())
        asyncio.run(work())
        print(*others())
        """,
        ["child thread", "child own pool task thread"],
    ),
]


@pytest.mark.parametrize(("title", "text", "expected"), CASES, ids=[case[0] for case in CASES])
def test_blocks(title: str, text: str, expected: list[str], tmp_path: Path) -> None:
    """What each program prints, and a store without damage."""
    assert program(tmp_path, text) == expected
    assert "all as stored" in linea(tmp_path, "fsck")


def test_slices_leave_the_block_out(tmp_path: Path) -> None:
    """Statements of a block are watched one by one: each slice has what its value needs."""
    program(
        tmp_path,
        """
        import linea
        rows = [1, 2, 3]
        junk = "x"
        with linea.saving():
            # the total
            total = sum(rows)
            linea.save(total, "total")
            for row in rows:
                if row > 1:
                    total += row
                else:
                    total -= 1
            with linea.saving():
                text = '''a
            b'''
                linea.save({"t": total, "x": text}, "both")
            linea.save(total * 2, "twice")
        linea.save([text], "after")
        """,
    )
    head = "rows = [1, 2, 3]\n# the total\ntotal = sum(rows)\n"
    loop = (
        "for row in rows:\n    if row > 1:\n        total += row\n    else:\n        total -= 1\n"
    )
    text = "text = '''a\n    b'''\n"
    slices = {
        "total": head,
        "twice": head + loop + "twice = total * 2\n",
        "both": head + loop + text + "both = {'t': total, 'x': text}\n",
        "after": text + "after = [text]\n",
    }
    for name, expected in slices.items():
        assert run(tmp_path, "-c", f"import linea;print(linea.get({name!r}).get_code())") == (
            expected + "\n"
        )
    assert linea(tmp_path, "verify", *slices).count("identical") == 4


def test_a_failing_statement_shows_its_own_line(tmp_path: Path) -> None:
    """Tracebacks are those of plain Python."""
    program(tmp_path, "import linea\nlinea.save(1, 'x')\n")
    text = """
        import linea
        with linea.saving():
            linea.save(1, "y")
            int("no")
        """
    script(tmp_path, text)
    done = run(tmp_path, "-c", _run_and_show("work.py"))
    assert [line.strip() for line in done.splitlines() if "work.py" in line] == [
        f'File "{tmp_path}/work.py", line 4, in <module>'
    ]


def _run_and_show(name: str) -> str:
    return (
        "import subprocess, sys;"
        f"print(subprocess.run([sys.executable, {name!r}], capture_output=True, text=True).stderr)"
    )


def test_functions_and_pipelines(tmp_path: Path) -> None:
    """A block in a function runs again, and generated code has what stands in it without it."""
    program(
        tmp_path,
        """
        import linea
        from linea import saving
        def main(k):
            rows = [k]
            for i in range(2):
                with saving():
                    # grows
                    rows.append(i)
                    text = '''x
                 y'''
                    linea.save(rows, "rows")
                    linea.save(len(text), "length")
            with saving(): linea.save(k, "k")
            return rows
        if __name__ == "__main__":
            main(7)
        """,
    )
    assert linea(tmp_path, "verify", "rows", "length", "k").count("identical") == 3
    module = run(
        tmp_path, "-c", "import linea;print(linea.get_module_definition(['rows', 'length', 'k']))"
    )
    assert "saving" not in module
    script(tmp_path, module, "made.py")
    printed = run(tmp_path, "-c", "import made;print(made.run_all())")
    assert printed == "{'rows': [7, 0, 1], 'length': 12, 'k': 7}\n"


def test_one_undo_takes_all_back(tmp_path: Path) -> None:
    """A block is one operation."""
    program(
        tmp_path,
        """
        import linea
        linea.save(1, "a")
        with linea.saving():
            linea.save(2, "a")
            linea.save(3, "a")
            linea.save(4, "b")
        """,
    )
    linea(tmp_path, "undo")
    assert run(tmp_path, "-c", "import linea;print(linea.artifact_store())").split()[0] == "a:v1"
    linea(tmp_path, "undo")
    assert linea(tmp_path, "ls").strip() in ("", "No artifacts.")


def test_in_a_notebook(tmp_path: Path) -> None:
    """Cells with blocks: values, slices, displays, await, errors, and a display that isn't one."""
    pytest.importorskip("nbclient")
    from .capture.test_notebook import Kernel

    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext linea\nimport linea, asyncio")
        kernel.run("junk = 1\na = [1]")
        shown = kernel.text(
            "with linea.saving():\n"
            "    a.append(2)\n"
            "    a  # isn't shown\n"
            "    x = linea.save(a, 'a')\n"
            "    await asyncio.sleep(0)\n"
            "    b = len(a)\n"
            "    y = linea.save(b, 'b')\n"
            "x, y"
        )
        assert shown == "(<Artifact a@v1: list of 2>, <Artifact b@v1: 2>)\n"
        code = kernel.text("print(linea.get('b').get_code(), end='')")
        assert code == "a = [1]\na.append(2)\nb = len(a)\n"
        assert kernel.text("[p.name for p in linea.get('b').parents]") == "['a']\n"
        failed = kernel.text("with linea.saving():\n    c = 1\n    linea.save(c, 'c')\n    nothing")
        assert failed == "NameError: name 'nothing' is not defined\n"
        assert kernel.text("'c' in linea.artifact_store(), c") == "(False, 1)\n"
        kernel.run("linea.save(c, 'c')")
        assert kernel.text("linea.get('c').get_code()") == "'c = 1\\n'\n"

"""A watched program can't tell that it is watched: same output, exit status, tracebacks, state."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = {
    "arguments and module attributes": """
        import sys, os
        print(sys.argv, __name__, __file__, __doc__, __package__, __spec__)
        print(sys.path[0], os.getcwd())
        print(sorted(n for n in globals() if not n.startswith("__")))
        print(sys.modules["__main__"].__dict__ is globals(), type(globals()))
        """,
    "an exception three calls deep": """
        def a(x): return b(x)
        def b(x):
            return 1 / x
        print("before")
        a(
            0
        )
        print("never")
        """,
    "an exception with a cause and a note": """
        try:
            {}["k"]
        except KeyError as e:
            error = ValueError("bad")
            error.add_note("look here")
            raise error from e
        """,
    "a syntax error": "x = 1\nif x\n    pass\n",
    "an indentation error": "x = 1\n  y = 2\n",
    "exit with a number": "import sys\nprint('a')\nsys.exit(3)\n",
    "exit with a text": "raise SystemExit('stopped')\n",
    "exit without anything": "import sys\nsys.exit()\n",
    "an interrupt": "import os, signal\nprint('x', flush=True)\nraise KeyboardInterrupt\n",
    "warnings with line numbers": """
        import warnings
        def f():
            warnings.warn("from f", stacklevel=2)
        f()
        warnings.warn("top")
        for i in range(3):
            warnings.warn("once")
        """,
    "source of functions and classes": """
        import inspect
        def f(x):
            # a comment
            return x + 1
        class A:
            def m(self): pass
        print(inspect.getsource(f))
        print(inspect.getsource(A))
        print(f.__code__.co_firstlineno, f.__module__, A.__qualname__)
        """,
    "pickling of things in __main__": """
        import pickle
        class P:
            def __init__(self, v): self.v = v
        p = pickle.loads(pickle.dumps(P(3)))
        print(p.v, type(p) is P, pickle.dumps(P(1)))
        """,
    "evaluation order and sharing": """
        print(1 and 2, 0 or "x", not 3)
        a = b = []
        a.append(1)
        print(a is b, b)
        x, y = 1, 2
        del x, y
        try:
            x
        except NameError as e:
            print(e)
        print(0 < 1 < 2, [i for i in range(3) if i % 2], {**{"a": 1}})
        """,
    "finalizers and weak references": """
        import weakref, gc
        class A:
            def __del__(self): print("gone")
        a = A()
        r = weakref.ref(a)
        a = None
        print(r())
        b = [A()]
        w = weakref.ref(b[0])
        b.clear()
        print(w())
        print("end")
        """,
    "objects with hooks of their own": """
        class Loud:
            def __getattr__(self, n):
                print("getattr", n); raise AttributeError(n)
            def __eq__(self, o): print("eq"); return True
            def __hash__(self): print("hash"); return 1
            def __repr__(self): print("repr"); return "Loud"
            def __reduce__(self): print("reduce"); return (Loud, ())
            def __len__(self): print("len"); return 3
            def __iter__(self): print("iter"); return iter(())
            def __bool__(self): print("bool"); return True
            @property
            def p(self): print("property"); return 1
        l = Loud()
        k = [l, {"a": l}]
        k.append(1)
        m = l
        class Lazy(dict):
            def __getitem__(self, k): print("getitem"); return 1
            def __iter__(self): print("iter"); return iter([])
            def keys(self): print("keys"); return []
        z = Lazy(a=1)
        z.update(b=2)
        class Slots:
            __slots__ = ("a", "b")
            def __getattribute__(self, n): print("getattribute", n); return object.__getattribute__(self, n)
        s = Slots()
        s.a = 1
        print("done")
        """,
    "random state": """
        import random
        random.seed(1)
        print(random.random())
        x = [random.random() for _ in range(3)]
        print(x, random.getstate()[1][:3])
        """,
    "hooks of the interpreter": """
        import sys, atexit
        atexit.register(print, "at exit")
        def hook(kind, value, trace):
            print("hook", kind.__name__, value, trace.tb_lineno, trace.tb_frame.f_code.co_name, trace.tb_next)
        sys.excepthook = hook
        print(sys.getrecursionlimit(), sys.gettrace(), sys.getprofile())
        {}[1]
        """,
    "standard input": "print(input('name? '))\nimport sys\nprint(sys.stdin.read())\n",
    "docstring and future": '"""Doc."""\nfrom __future__ import annotations\n"not a doc"\ndef f(x: Unknown): pass\nprint(__doc__, f.__annotations__)\n',
    "statements on one line": "a = 1; b = a + 1; print(a, b)\nif a: print('yes'); print('and')\nclass C: x = 1; y = x\nprint(C.y)\n",
    "deep recursion": """
        import sys
        def f(n): return 0 if n == 0 else 1 + f(n - 1)
        print(f(800))
        try:
            f(10**6)
        except RecursionError as e:
            print("too deep")
        """,
    "generators and coroutines": """
        import asyncio
        async def go():
            await asyncio.sleep(0)
            return 5
        print(asyncio.run(go()))
        def g():
            try:
                yield 1
            finally:
                print("closed")
        it = g(); next(it)
        del it
        print("after")
        """,
    "threads and locks": """
        import threading
        out = []
        t = threading.Thread(target=lambda: out.append(threading.current_thread().name), name="worker")
        t.start(); t.join()
        print(out, threading.active_count(), threading.main_thread().name)
        """,
    "an exception in a thread": """
        import threading
        t = threading.Thread(target=lambda: 1 / 0, name="w")
        t.start(); t.join()
        print("main goes on")
        """,
    "traceback of a caught exception": """
        import traceback
        def f(): raise ValueError("x")
        try:
            f()
        except ValueError:
            print(traceback.format_exc())
        """,
    "annotations of the module": "x: int = 3\ny: str\nprint(__annotations__)\n",
    "encoding declared": "# -*- coding: latin-1 -*-\nprint(len('é'))\n",
    "names of builtins shadowed": "print = print\nlen = lambda x: 99\nprint(len([1]))\ndel len\nprint(len([1]))\n",
    "a coroutine that is never awaited": "async def f(): pass\nf()\nprint('on')\n",
    "annotations inside a block": "if True:\n    __annotations__\n    x: int = 1\nprint(__annotations__)\n",
    "an error that only compiling finds": "print(1)\nreturn 5\n",
    "doubtful syntax": "x = 1\nprint(x is 1)\nassert (x, 'always')\n",
    "builtins that the program replaced": """
        import builtins
        real = builtins.isinstance, builtins.eval, builtins.type
        def fail(*args):
            raise RuntimeError("replaced")
        builtins.isinstance = builtins.eval = fail
        y = [1]
        y.append(2)
        builtins.isinstance, builtins.eval, builtins.type = real
        print(y)
        """,
    "exception groups": "raise ExceptionGroup('many', [ValueError(1), TypeError(2)])\n",
}


def outcome(command: list[str], folder: Path, **environment: str) -> tuple[str, str, int]:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, input="Ada\nmore\n", check=False,
        env={**os.environ, "PYTHONHASHSEED": "0", **environment},
    )  # fmt: skip
    return done.stdout, done.stderr, done.returncode


def write(folder: Path, text: str, head: str = "") -> None:
    import textwrap

    (folder / "program.py").write_text(head + textwrap.dedent(text).lstrip("\n"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_linea_run_behaves_as_python_does(name: str, tmp_path: Path) -> None:
    """Standard output, standard error and exit status are the same under `linea run`."""
    write(tmp_path, PROGRAMS[name])
    plain = outcome([sys.executable, "program.py", "--n", "1"], tmp_path)
    watched = outcome([sys.executable, "-m", "linea", "run", "program.py", "--n", "1"], tmp_path)
    assert watched == plain


SKIPPED = {
    "docstring and future",
    "encoding declared",
    "an interrupt",
    "a syntax error",
    "annotations inside a block",
    "an error that only compiling finds",
    "an indentation error",
}


@pytest.mark.parametrize("name", [n for n in PROGRAMS if n not in SKIPPED])
def test_a_plain_script_that_imports_linea_behaves_the_same(name: str, tmp_path: Path) -> None:
    """`python FILE` with `import linea` at its top gives what it gives without being watched."""
    write(tmp_path, PROGRAMS[name], head="import linea\n")
    plain = outcome([sys.executable, "program.py"], tmp_path, LINEA_WATCH="0")
    watched = outcome([sys.executable, "program.py"], tmp_path)
    assert watched == plain

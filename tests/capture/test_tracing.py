"""A profiler or trace function that the user switches on sees the user's code, and none of linea's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = {
    "a profile function": """\
        import os, sys
        seen = set()
        def note(frame, event, arg):
            seen.add(os.path.basename(frame.f_code.co_filename))
        sys.setprofile(note)
        len("a")
        x = [n for n in range(3)]
        sys.setprofile(None)
        print(sorted(seen))
        """,
    "a trace function": """\
        import os, sys
        seen = []
        def note(frame, event, arg):
            seen.append((os.path.basename(frame.f_code.co_filename), frame.f_code.co_name, frame.f_lineno))
            return note
        def work(n):
            return n + 1
        sys.settrace(note)
        work(1)
        y = work(2)
        sys.settrace(None)
        print([s for s in seen if s[1] != "<module>"])
        print(sys.gettrace(), sys.getprofile())
        """,
    "cProfile over several statements": """\
        import cProfile, os, pstats
        def work(n):
            return sum(range(n))
        profile = cProfile.Profile()
        profile.enable()
        work(3)
        z = work(4)
        profile.disable()
        print(sorted((os.path.basename(k[0]), k[2], v[0]) for k, v in pstats.Stats(profile).stats.items() if k[2] != "<module>" and "isable" not in k[2] and "exec" not in k[2] and "eval" not in k[2]))
        """,
    "a debugger that goes on from one statement to the next": """\
        import pdb, io
        out = io.StringIO()
        debugger = pdb.Pdb(stdin=io.StringIO("next\\nnext\\nnext\\ncontinue\\n"), stdout=out, nosigint=True, readrc=False)
        def f(a):
            debugger.set_trace()
            b = a + 1
            return b
        r = f(1)
        s = r + 1
        print("linea" in out.getvalue(), r, s)
        """,
    "a breakpoint, and commands after it": """\
        import io, pdb, sys
        commands = "p x\\nwhere\\nnext\\nup\\nnext\\nstep\\nwhere\\nreturn\\nnext\\ncontinue\\n"
        debugger = pdb.Pdb(stdin=io.StringIO(commands), stdout=sys.stdout, nosigint=True, readrc=False)
        def f(a):
            b = a + 1
            return b
        x = 1
        debugger.set_trace()
        y = 2
        z = f(y)
        w = f(z)
        print(y + z + w)
        """,
    "a debugger with breakpoints": """\
        import io, pdb, sys
        commands = f"break {__file__}:7\\nbreak {__file__}:10\\ncontinue\\nwhere\\ncontinue\\nwhere\\ncontinue\\n"
        debugger = pdb.Pdb(stdin=io.StringIO(commands), stdout=sys.stdout, nosigint=True, readrc=False)
        debugger.set_trace()
        def f(a):
            b = a + 1
            return b
        z = f(1)
        w = z + 1
        print(z + w)
        """,
    "an error under a trace function": """\
        import sys
        def note(frame, event, arg):
            return note
        sys.settrace(note)
        x = 1 / 0
        """,
}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_program_that_watches_itself_prints_the_same(name: str, tmp_path: Path) -> None:
    import textwrap

    (tmp_path / "work.py").write_text(textwrap.dedent(PROGRAMS[name]))
    runs = [
        subprocess.run(
            [sys.executable, *how, "work.py"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )
        for how in ([], ["-m", "linea", "run"])
    ]  # fmt: skip
    plain, watched = ((r.stdout, r.stderr, r.returncode) for r in runs)
    assert watched == plain

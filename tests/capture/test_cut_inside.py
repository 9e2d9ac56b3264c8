"""Programs of which something inside would be missed, were it cut: each slice gives the same value."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from linea.capture.criterion import slice_of_name
from linea.capture.script import run_statements
from linea.capture.session import Session

sys.path.insert(0, str(Path(__file__).parent.parent / "cases"))

import blocks

PROGRAMS = """
import contextlib
d={}
x=0
with contextlib.suppress(KeyError):
    y = d['k']
    x = 1
r = x
# ----
class M:
    def __enter__(self): return self
    def __exit__(self,*a): return True
x=0
with M():
    y = 1/0
    x = 1
r = x
# ----
def f():
    x=0
    try:
        y = {}['k']
        x = 1
    except KeyError:
        pass
    return x
r=f()
# ----
def g(d):
    y = d['k']
    return 3
def f():
    try:
        return g({})
    except KeyError:
        return 7
r=f()
# ----
def g(d):
    if 'k' not in d:
        raise KeyError('k')
    return 3
def f(h):
    try:
        return h({})
    except KeyError:
        return 7
r=f(g)
# ----
D=[]
def g(a, p=[]):
    p.append(a)
    return len(p)
def main():
    g(1)
    g(2)
    return g(3)
r=main()
# ----
LOG=[]
def f():
    LOG.append(1)
    def g():
        LOG = 3
        return LOG
    return g()
r=f()
r=LOG+[r]
# ----
def f():
    ys=[x for x in range(3)]
    x.append(ys)
    return 1
x=[]
q=f()
r=x
# ----
def f():
    try:
        return x
    except NameError:
        return 1
    x = 2
x=9
r=f()
# ----
def f():
    try:
        y = x
    except UnboundLocalError:
        y = 1
    x = 5
    return y
x=9
r=f()
# ----
from collections import defaultdict
d=defaultdict(list)
for k in 'ab':
    d[k]
    n = len(d[k])
r=dict(d)
# ----
def fill(d):
    d['k']=[]
d={}
for i in range(2):
    fill(d)
    d['k'].append(i)
r=d
# ----
a='x y z'.split()
for i in range(1):
    h,*t = a
    t.append('w')
    s = t
r=s
# ----
def f(xs):
    it = iter(xs)
    first = next(it)
    print([*it])
    rest = list(it)
    return first, rest
r=f([1,2,3])
# ----
def f(xs):
    it = iter(xs)
    if 2 in it:
        print('y')
    return list(it)
r=f([1,2,3])
# ----
def gen():
    total = 0
    for i in range(4):
        got = yield total
        total += i
        print(got)
r=list(gen())
# ----
import math
def f(n):
    if n < 0:
        raise ValueError(n)
    if n > 100:
        return math.inf
    return n
r=0
for k in (1,-1,3):
    try:
        r += f(k)
    except ValueError:
        r -= 1
# ----
def f():
    k = 1
    g = lambda: k
    k = 2
    return g()
r=f()
# ----
def f():
    fs=[]
    for i in range(3):
        def g(i=i): return i*n
        fs.append(g)
    n = 10
    return [h() for h in fs]
r=f()
# ----
def f():
    x=[1]
    y=x
    try:
        y.append(2)
    finally:
        y.append(3)
    return x
r=f()
# ----
def f():
    for i in range(5):
        try:
            if i == 2: break
        finally:
            last = i
    else:
        last = -1
    return last
r=f()
# ----
out=[]
for i in range(3):
    for j in range(3):
        if j==1: break
    else:
        break
    out.append((i,j))
r=out
# ----
out=0
for i in range(3):
    for j in range(2):
        z = j
    else:
        if i == 1:
            break
    out = i
r=out
# ----
def f(a):
    match a:
        case [x, *rest]:
            print(x)
            rest.append(1)
        case _:
            rest = 0
    return rest
r=f([1,2])
# ----
import functools
@functools.lru_cache
def f(n):
    print(n)
    return n if n<2 else f(n-1)+f(n-2)
r=f(6)
# ----
reg=[]
def register(fn):
    reg.append(fn.__name__)
    return fn
def main():
    @register
    def a(): return 1
    @register
    def b(): return 2
    return len(reg)
r=main()
# ----
def main():
    class A:
        n = 0
        def __init_subclass__(cls): A.n += 1
    class B(A): pass
    return A.n
r=main()
# ----
def f(cfg):
    st = cfg['s']
    st['n'] = 5
    return 1
cfg={'s':{}}
q=f(cfg)
r=cfg
# ----
C={}
def get(): return C
def main():
    c = get()
    c['k'] = 1
    return 2
q=main()
r=C
# ----
C={}
def get(): return C
for i in range(2):
    c = get()
    c[i] = 1
r=C
# ----
import os
def main():
    env = os.environ
    env['LINEA_T'] = '5'
    return 1
q=main()
r=os.environ['LINEA_T']
# ----
def f():
    e = None
    log = []
    lst = [1]
    try:
        raise ValueError(lst)
    except ValueError as err:
        got = err.args[0]
        got[0] = 9
    return lst
r=f()
# ----
def outer():
    n = 0
    def inc():
        nonlocal n
        n += 1
    inc(); inc()
    m = 4
    return n
r=outer()
# ----
def f():
    global G
    G = 4
    t = 3
    return t
G=1
q=f()
r=G
# ----
def f(x):
    d = dict(a=[1])
    d['a'].append(x)
    return d
r=f(3)
# ----
def f():
    m = max([1,2],[3])
    m.append(7)
    return m
r=f()
# ----
def f():
    s = sum([[1],[2]], [])
    s.append(7)
    return s
r=f()
# ----
def h(x):
    return x/0
def safe(fn, x):
    try:
        return fn(x)
    except ZeroDivisionError:
        return -1
r=safe(h,3)
# ----
def f(n):
    while True:
        n -= 1
        junk = n*2
        if n < 0:
            return n
        elif n == 3:
            continue
r=f(5)
# ----
def f(p):
    with open(p,'w') as h:
        h.write('a\\nb\\n')
    with open(p) as h:
        first = h.readline()
        rest = h.read()
    return rest
import tempfile,os
p=os.path.join(tempfile.gettempdir(),'linea_cut.txt')
r=f(p)
# ----
def f(p):
    n=0
    h = open(p,'w')
    h.write('abc')
    del h
    return open(p).read()
import tempfile,os
p=os.path.join(tempfile.gettempdir(),'linea_cut2.txt')
r=f(p)
# ----
class B:
    def __init__(s): s.n=0
    def __bool__(s):
        s.n+=1
        return True
b=B()
for i in range(3):
    if b: pass
r=b.n
# ----
class P:
    def __init__(s): s.n=0
    @property
    def v(s):
        s.n+=1
        return s.n
p=P()
def main(o):
    x = o.v
    return o.n
r=main(p)
# ----
x=[0]
try:
    x[0] += 1
    y = 1/0
    x[0] += 1
except ZeroDivisionError:
    x[0] += 10
else:
    x[0] += 100
finally:
    x[0] += 1000
r=x
# ----
r=0
for v in ['1','x','3']:
    try:
        n = int(v)
        k = n
    except ValueError:
        continue
    r += 1
# ----
def parse(v):
    n = int(v)
    return 1
r=0
for v in ['1','x','3']:
    try:
        r += parse(v)
    except ValueError:
        pass
# ----
def get(d):
    assert 'k' in d
    return 1
try:
    r = get({})
except AssertionError:
    r = 5
"""


@pytest.mark.parametrize("program", PROGRAMS.strip("\n").split("\n# ----\n"))
def test_what_is_cut_inside_is_not_missed(tmp_path: Path, program: str) -> None:
    """Swallowed errors, shared objects, late binding, iterators, defaults, jumps."""
    space: dict[str, object] = {"__name__": "__main__"}
    session = Session(space, root=tmp_path)
    try:
        with blocks.quiet():
            run_statements(session, program + "\n", str(tmp_path / "x.py"), "x.py", space)
        code = slice_of_name(session, "r").code
    finally:
        session.close()
    again, error = blocks.run(code)
    assert (again.get("r"), error) == (space["r"], ""), code

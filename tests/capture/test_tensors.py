"""Tensors are looked at without a word to the user's subclasses, modes and hooks of torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

PROGRAM = """\
import torch, warnings
warnings.simplefilter("always")
x = torch.ones(2, requires_grad=True)
h = x * 2
y = h.sum()
y.backward()
print(x.grad, h.requires_grad)
class Loud(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        print("tf", getattr(func, "__name__", func))
        return super().__torch_function__(func, types, args, kwargs or {})
t = torch.zeros(2).as_subclass(Loud)
u = t + 1
t.add_(2)
l = [t, u]
l.append(3)
del u
from torch.utils._python_dispatch import TorchDispatchMode
class Log(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        print("disp", func)
        return func(*args, **(kwargs or {}))
mode = Log()
mode.__enter__()
a = torch.ones(3)
b = a
b.mul_(2)
mode.__exit__(None, None, None)
class LazyP(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(1))
    def __getattr__(self, n):
        if n == "ghost": print("ghost")
        return super().__getattr__(n)
    def forward(self, x): return self.w * x
m = LazyP()
m.register_forward_pre_hook(lambda *a: print("pre"))
o = m(torch.ones(1))
o2 = o
with torch.autograd.set_detect_anomaly(True):
    o.backward()
v = torch.ones(4)
w = v[:2]
with torch.no_grad():
    w += 1
s = torch.sparse_coo_tensor([[0]], [1.0], (2,))
q = torch.tensor([1+2j]).conj()
n = torch.ones(1, dtype=torch.bfloat16)
z = torch.empty(0)
k = torch.nn.utils.rnn.pack_sequence([torch.ones(2)])
nt = torch.nested.nested_tensor([torch.ones(1), torch.ones(2)])
md = torch.ones(2, device="meta")
print(v, s, q, n, z, md.shape, torch.is_grad_enabled())
g = torch.func.grad(lambda p: p ** 2)(torch.tensor(3.0))
print(g)
"""


def test_subclasses_modes_and_hooks_are_called_as_often_as_without_linea(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(PROGRAM)
    plain, watched = (
        subprocess.run(
            [sys.executable, *how, "work.py"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )
        for how in ([], ["-m", "linea", "run"])
    )  # fmt: skip
    assert (watched.stdout, watched.stderr, watched.returncode) == (
        plain.stdout, plain.stderr, 0,
    )  # fmt: skip

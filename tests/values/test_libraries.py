"""What libraries keep in their objects, caches and addresses among it, doesn't change digests."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from linea import values

ROOT = Path(__file__).parents[2]

PROGRAM = """
import numpy as np
from linea import values
np.random.seed({seed})
np.random.random({seed})
{code}
encoded = values.settled(values.encode(value))
back = values.decode(encoded.record, encoded.parts.__getitem__)
print(encoded.record.digest, values.digest(value), values.digest(back), encoded.record.stable)
"""

OBJECTS = {
    "distribution": "import scipy.stats as st; value = [st.norm(1, 2), st.randint(1, 5)]",
    "multivariate": "import scipy.stats as st; value = st.multivariate_normal([0, 0])",
    "model of a process": """
from sklearn.gaussian_process import GaussianProcessClassifier
value = GaussianProcessClassifier().fit([[0.0], [1.0], [2.0]], [0, 1, 1])""",
    "glm": """
import statsmodels.api as sm
rng = np.random.default_rng(0)
value = sm.GLM(rng.integers(0, 2, 60), rng.normal(size=(60, 2)), family=sm.families.Binomial()).fit()""",
    "arima": """
import statsmodels.api as sm
value = sm.tsa.ARIMA(np.random.default_rng(0).normal(size=60), order=(1, 0, 0)).fit()""",
    "lines": """
import matplotlib.pyplot as plt
value = plt.subplots()[1].plot([1, 2], [[3, 4], [5, 6]])""",
    "bars": """
import matplotlib.pyplot as plt
value = plt.subplots()[1].hist([1, 2, 2, 3])""",
    "attrs": """
import attrs
@attrs.frozen
class Row:
    x: int
value = Row(1)""",
    "pydantic": """
import pydantic
class Row(pydantic.BaseModel):
    x: int = 1
    @pydantic.field_validator("x")
    def check(cls, x): return x
value = Row(x=2)
value.x = 3""",
    "plotly": """
import plotly.graph_objects as go
value = go.Figure(go.Scatter(x=[1, 2], y=np.array([3.0, np.nan])))""",
    "tensors": """
import torch
value = {"a": torch.arange(6).reshape(2, 3).T, "b": torch.ones(2, dtype=torch.bfloat16),
    "c": torch.eye(3).to_sparse(), "d": torch.ones(2).to(torch.float8_e4m3fn),
    "e": torch.nn.Parameter(torch.ones(2)), "f": torch.arange(1000)[5:8]}""",
    "boosted trees": """
import xgboost
rng = np.random.default_rng(0)
value = xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(rng.normal(size=(40, 2)), [0, 1] * 20)""",
}
NEEDS = {"attrs": "attrs", "pydantic": "pydantic", "plotly": "plotly", "tensors": "torch"}
NEEDS["boosted trees"] = "xgboost"


def test_an_object_has_one_digest() -> None:
    """Processes with another hash seed and random state give one digest, as does what is read."""
    here = [name for name in OBJECTS if name not in NEEDS or importlib.util.find_spec(NEEDS[name])]
    told: dict[str, set[str]] = {name: set() for name in here}
    for seed in ("1", "22"):
        program = "".join(PROGRAM.format(code=OBJECTS[name], seed=seed) for name in here)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "MPLBACKEND": "agg"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        for name, line in zip(here, done.stdout.splitlines(), strict=True):
            told[name] |= set(line.split())
    assert {name: found for name, found in told.items() if len(found) != 2} == {}
    assert all("True" in found for found in told.values())


def test_a_generator_of_ones_own_counts() -> None:
    """Only numpy's shared generator is left out: one with a seed is part of an object."""
    one, other = np.random.RandomState(1), np.random.RandomState(2)
    assert values.digest([one]) != values.digest([other])
    other.set_state(one.get_state())
    assert values.digest([one]) == values.digest([other])


@pytest.mark.parametrize("mode", ["La", "RGBa", "LAB", "I;16", "PA"])
@pytest.mark.parametrize("size", [(2, 3), (0, 3)])
def test_images_of_rare_modes_come_back(mode: str, size: tuple[int, int]) -> None:
    """Images that no PNG holds, and those without a pixel, come back."""
    from PIL import Image

    image = Image.new(mode, size)
    encoded = values.settled(values.encode(image))
    back = values.decode(encoded.record, encoded.parts.__getitem__)
    assert isinstance(back, Image.Image) and (back.mode, back.size) == (mode, size)
    assert back.tobytes() == image.tobytes()

"""Fitted estimators: stored with their parameters, known by content."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linea import values

pytest.importorskip("sklearn")

from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

ROOT = Path(__file__).parents[2]

MODELS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: LogisticRegression(C=0.5),
    "tree": lambda: DecisionTreeClassifier(random_state=0),
    "forest": lambda: RandomForestClassifier(10, random_state=0),
    "boosting": lambda: GradientBoostingRegressor(n_estimators=5, random_state=0),
    "histogram boosting": lambda: HistGradientBoostingClassifier(max_iter=5, random_state=0),
    "k-means": lambda: KMeans(3, n_init=1, random_state=0),
    "svc": SVC,
    "neighbours": KNeighborsClassifier,
    "bayes": GaussianNB,
    "network": lambda: MLPClassifier((4,), max_iter=20, random_state=0),
    "pipeline": lambda: make_pipeline(StandardScaler(), PCA(2), LogisticRegression()),
    "columns": lambda: make_pipeline(
        ColumnTransformer([("n", StandardScaler(), [0, 1]), ("c", OneHotEncoder(), [2])]),
        LogisticRegression(max_iter=500),
    ),
    "function": lambda: make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()),
    "voting": lambda: VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())]),
    "search": lambda: GridSearchCV(
        DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2]}, cv=2
    ),
}


def fitted(name: str) -> Any:
    rng = np.random.default_rng(0)
    x = rng.random((60, 4)).round(1)
    y = (x[:, 0] + x[:, 1] > 1).astype(int)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MODELS[name]().fit(x, y)
    if name == "search":
        # How long the fits took isn't reproducible, and is part of the fitted search.
        model.cv_results_ = {k: v for k, v in model.cv_results_.items() if "time" not in k}
        model.refit_time_ = 0.0
    return model


@pytest.mark.parametrize("name", MODELS)
def test_a_model_keeps_its_digest_through_pickling(name: str) -> None:
    """A fitted estimator has one digest before and after pickling, and when fitted again."""
    model = fitted(name)
    encoded = values.settled(values.encode(model))
    assert (encoded.record.kind, encoded.record.pickled) == ("model", True)
    back: Any = values.decode(encoded.record, encoded.parts.__getitem__)
    assert values.digest(back) == encoded.record.digest == values.digest(model)
    assert values.digest(pickle.loads(pickle.dumps(back))) == encoded.record.digest
    assert values.digest(fitted(name)) == encoded.record.digest


@pytest.mark.slow
def test_models_have_the_same_digest_in_every_process() -> None:
    """Fitted estimators have one digest in processes with other hash seeds."""
    program = (
        "import json; from linea import values; from tests.values.test_models import MODELS, fitted;"
        "print(json.dumps({n: values.digest(fitted(n)) for n in MODELS}))"
    )
    for seed in ("1", "77"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout) == {name: values.digest(fitted(name)) for name in MODELS}


def test_what_was_learnt_counts() -> None:
    """Two models that differ in a parameter, in what was learnt or in being fitted differ."""
    model = fitted("logistic")
    before = values.digest(model)
    model.coef_[0, 0] += 1e-9
    assert values.digest(model) != before
    assert values.digest(LogisticRegression(C=1)) != values.digest(LogisticRegression(C=2))
    assert values.digest(LogisticRegression(C=0.5)) != before


def test_addresses_in_memory_do_not_count() -> None:
    """Where an object lay while it was fitted, or its nodes do, isn't part of it."""
    from scipy.spatial import KDTree

    words = TfidfVectorizer().fit(["a cat", "a dog"])
    before = values.digest(words)
    words._stop_words_id += 1
    assert values.digest(words) == before
    points = np.arange(100.0).reshape(50, 2)
    trees = [KDTree(points), KDTree(points)]  # both at once: at two places
    assert values.digest(trees[0]) == values.digest(trees[1])
    assert values.digest(trees[0]) != values.digest(KDTree(points + 1))


def test_the_library_version_does_not_count() -> None:
    """The version that scikit-learn writes into a pickle isn't part of the model."""
    import sklearn

    model = fitted("logistic")
    before = values.digest(model)
    own = sklearn.__version__
    try:
        sklearn.base.__version__ = "0.0"
        assert values.digest(model) == before
    finally:
        sklearn.base.__version__ = own


def test_the_record_holds_the_parameters() -> None:
    """The manifest answers which class and parameters a model has, nested ones included."""
    summary = values.settled(values.encode(fitted("pipeline"))).record.summary
    assert summary["class"] == "Pipeline"
    assert summary["params"]["pca__n_components"] == 2
    json.dumps(dict(summary), allow_nan=False)
    assert (
        values.settled(values.encode(fitted("logistic"))).record.summary["text"]
        == "LogisticRegression(C=0.5)"
    )

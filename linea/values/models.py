"""Fitted estimators ⇄ a pickle, with their parameters in the manifest."""

from __future__ import annotations

from typing import Any

from linea.values.objects import PickleCodec
from linea.values.preview import show


class ModelCodec(PickleCodec):
    """scikit-learn's estimators and those that follow its habits."""

    kind = "model"
    name = "model"

    def text(self, value: Any) -> str:
        own = " ".join(show(value).split())
        return (
            own
            if len(own) <= 80
            else f"{type(value).__name__}({len(self.summary(value)['params'])} parameters)"
        )

    def summary(self, value: Any) -> dict[str, Any]:
        return {"class": type(value).__name__, "params": parameters(value)}


def parameters(model: Any) -> dict[str, Any]:
    """Return a model's parameters, JSON-able: what isn't plain is shown."""
    try:
        found = model.get_params(deep=True)
    except Exception:
        return {}
    plain = (bool, int, float, str, type(None))
    finite = {
        key: value
        if type(value) in plain and value == value and abs(_size(value)) != float("inf")
        else show(value)[:200]
        for key, value in found.items()
    }
    return {str(key): finite[key] for key in sorted(finite, key=str)}


def _size(value: Any) -> float:
    return value if isinstance(value, float) else 0.0


MODEL = ModelCodec()

"""Fitted estimators ⇄ a pickle, with their parameters in the manifest; hashes of torch's tensors."""

from __future__ import annotations

from typing import Any

from linea.errors import UnstorableError
from linea.values.digest import Of, join, number, text_bytes
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


def tensor_digest(value: Any, of: Of) -> bytes:
    """Return the hash of a tensor: its class, layout, type, shape and elements.

    Strides, and what shares memory with it, don't count.
    """
    tensor = value.detach()
    facts = f"{value.layout},{value.dtype},{value.device.type},{value.requires_grad}"
    return join(
        "tensor",
        of(type(value)),
        text_bytes(facts),
        b"" if tensor.is_nested else b"".join(map(number, tensor.shape)),
        *(_elements(member, of) for member in _members(tensor)),
    )


def _members(tensor: Any) -> list[Any]:
    """Return the dense tensors that make up one."""
    if tensor.is_nested:
        return list(tensor.unbind())
    if tensor.is_quantized:
        scales = [tensor.q_scale(), tensor.q_zero_point()] if _is_even(tensor) else None
        if scales is None:
            raise UnstorableError("tensors with a scale for each channel have no digest")
        return [tensor.int_repr(), *scales]
    layout = str(tensor.layout)
    if layout == "torch.sparse_coo":
        return [tensor._indices(), tensor._values()]
    if layout in ("torch.sparse_csr", "torch.sparse_bsr"):
        return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    if layout in ("torch.sparse_csc", "torch.sparse_bsc"):
        return [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
    return [tensor]


def _is_even(tensor: Any) -> bool:
    return "per_tensor" in str(tensor.qscheme())


def _elements(tensor: Any, of: Of) -> bytes:
    """Return the code of a dense tensor's elements, or of a number beside it."""
    import torch

    if not isinstance(tensor, torch.Tensor):
        return of(tensor)
    dense = tensor.cpu().resolve_conj().resolve_neg().contiguous()
    try:
        return of(dense.numpy())
    except TypeError:  # numpy has no such type: its bytes
        return of(dense.reshape(-1).view(torch.uint8).numpy())


MODEL = ModelCodec()

"""Objects of numpy, pandas, Arrow, polars, torch and matplotlib → their prints.

Libraries are recognised by the names of their types, and never imported.
"""

from __future__ import annotations

import bisect
import contextlib
import marshal
import sys
import time
from collections.abc import Iterator
from typing import Any

from xxhash import xxh3_64, xxh3_64_intdigest

from linea.capture.contents import LARGE
from linea.capture.instances import attributes_of, nothing, opaque
from linea.capture.prints import joined, sequence, shallow
from linea.capture.walk import ATOMS, MAX_KEYS, Handler, Walk, address, qualname


def _ndarray(obj: Any, walk: Walk) -> object:
    return _array(obj, obj, walk)


def _array(obj: Any, holder: Any, walk: Walk) -> object:
    """`obj` by its memory; `holder` is what stands for it from look to look."""
    base = obj
    shared: list[int] = []
    while True:
        owner = base.base
        if owner is None:
            # The memory itself, by its address, so that whoever shares it without a chain of
            # bases (torch, pandas, Arrow) meets here.
            start = _data_address(base)
            shared.append(~start)
            walk.buffers[start] = base.nbytes
            break
        shared.append(address(owner))
        if not hasattr(owner, "__array_interface__") or not hasattr(owner, "strides"):
            walk.stack.append(owner)
            start = _data_address(base)
            shared.append(~start)
            walk.buffers[start] = max(base.nbytes, walk.buffers.get(start, 0))
            break
        if qualname(type(owner)) == "memmap":
            walk.stack.append(owner)  # tells the file
        base = owner
    walk.keys.update(shared)
    walk.shares[address(obj)] = shared
    if obj.dtype.hasobject:
        content = _objects(obj, walk)
    elif obj.nbytes >= LARGE:
        content = walk.contents.version(holder, obj.nbytes, _array_print, walk)
    else:
        content = _array_print(obj)
    return (obj.dtype.str, obj.shape, obj.strides, content)


def _objects(obj: Any, walk: Walk) -> int:
    """The content of an array of Python objects."""
    items = obj.ravel().tolist()
    if obj.dtype.names is not None:
        items = [cell for row in items for cell in row]
    elif len(items) >= MANY and ATOMS.issuperset(map(type, items)):
        return walk.contents.version(obj, len(items) * _EACH, _atoms_print, walk)
    return sequence(items, len(items), walk)


MANY = 4096
"""Items of an array of objects from which on their content is hashed late."""
_EACH = 500
"""Bytes of numbers that are hashed in the time that one object takes."""


def _atoms_print(obj: Any) -> int:
    return xxh3_64_intdigest(marshal.dumps(obj.ravel().tolist(), 2))


def _cython_view(obj: Any, walk: Walk) -> object:
    """Cython's memory views, which lie below arrays that Cython code gave: nothing but memory."""
    whole = sys.modules["numpy"].asarray(obj)
    if whole.dtype.hasobject:
        raise ValueError("objects lie below")
    start = _data_address(whole)
    walk.keys.add(~start)
    walk.buffers[start] = whole.nbytes
    walk.shares[address(obj)] = [~start]
    walk.stack.append(getattr(obj, "base", None))
    return (whole.dtype.str, whole.shape, whole.strides, _array_print(whole))


def _record(obj: Any, walk: Walk) -> object:
    """One element of a structured array: a view of its memory."""
    walk.stack.append(obj.base)
    start = _data_address(obj)
    shared = [~at for at, size in walk.buffers.items() if at <= start < at + size]
    walk.keys.update(shared)
    walk.shares[address(obj)] = shared
    return shallow(obj.tolist()) if obj.dtype.names else obj.tobytes()


def _flat_iterator(obj: Any, walk: Walk) -> object:
    walk.stack.append(obj.base)
    return obj.index


def _array_iterator(obj: Any, walk: Walk) -> object:
    walk.stack.extend(obj.operands)
    return obj.iterindex


def _data_address(obj: Any) -> int:
    return int(obj.__array_interface__["data"][0])


def _array_print(obj: Any) -> int:
    """xxh3 of an array's content in memory order."""
    numpy = sys.modules["numpy"]
    flat = numpy.asarray(obj)
    if flat.size == 0:
        return 0
    if flat.flags.c_contiguous:
        raw = flat
    elif flat.flags.f_contiguous:
        raw = flat.T
    else:
        raw = numpy.ascontiguousarray(flat)
    return xxh3_64_intdigest(raw.reshape(-1).view("u1"))


def _memmap(obj: Any, walk: Walk) -> object:
    if obj.filename is not None:
        walk.files.add(str(obj.filename))
    shape = _ndarray(obj, walk)
    if obj.filename is not None:
        # Another map of the same file is the same memory.
        file = hash(("memmap", str(obj.filename)))
        walk.keys.add(file)
        walk.shares[address(obj)].append(file)
    return shape


def _masked_array(obj: Any, walk: Walk) -> object:
    numpy = sys.modules["numpy"]
    mask = obj._mask
    walk.stack.append(mask)
    return (
        _array(numpy.asarray(obj), obj, walk),
        obj._sharedmask,
        obj.fill_value if obj.dtype.names is None else None,
    )


def _random_generator(obj: Any, walk: Walk) -> object:
    source = getattr(obj, "bit_generator", None) or getattr(obj, "_bit_generator", obj)
    walk.keys.add(address(source))
    if source is not obj:
        walk.stack.append(source)
    walk.stack.append(source.seed_seq)
    return _deep(source.state)


def _seed_sequence(obj: Any, walk: Walk) -> object:
    return repr(obj.state)


def _deep(state: object) -> object:
    if isinstance(state, dict):
        return tuple((k, _deep(v)) for k, v in state.items())
    if hasattr(state, "dtype") and hasattr(state, "tobytes"):
        return xxh3_64_intdigest(state.tobytes())
    return repr(state)


def _legacy_generator(obj: Any, walk: Walk) -> object:
    mtrand = sys.modules.get("numpy.random.mtrand")
    if obj is getattr(mtrand, "_rand", None):
        walk.keys.add(address(obj))
        return None  # the global generator is hidden state, see `hidden.py`
    walk.keys.add(address(obj._bit_generator))
    kind, key, position, has_gauss, cached = obj.get_state(legacy=True)
    return (kind, xxh3_64_intdigest(key.tobytes()), position, has_gauss, cached)


def _frame(obj: Any, walk: Walk) -> object:
    """pandas DataFrame and Series: their blocks, axes and attributes."""
    attributes = attributes_of(obj) or {}
    manager: Any = attributes.get("_mgr")
    if manager is None:
        raise ValueError("no block manager")
    shape: list[object] = []
    for axis in manager.axes:
        walk.stack.append(axis)
        shape.append(address(axis))
    for block in manager.blocks:
        values = block.values
        walk.stack.append(values)
        shape.append((type(values).__name__, address(values)))
        shape.append(_array_print(block.mgr_locs.as_array))
    accessors = getattr(type(obj), "_accessors", ())
    for key, value in attributes.items():
        if key in ("_mgr", "_item_cache", "_flags", "_cacher", "_is_copy", "_cache") or (
            key in accessors and type(value).__module__.startswith("pandas.")
        ):
            continue
        walk.stack.append(value)
        shape.append(shallow([key, value]))
    return tuple(shape)


def _index(obj: Any, walk: Walk) -> object:
    attributes = attributes_of(obj) or {}
    shape: list[object] = []
    for key, value in attributes.items():
        if key in ("_cache", "_id", "_references", "_no_setting_name", "_levels", "_codes"):
            continue
        walk.stack.append(value)
        shape.append(shallow([key, value]))
    for key in ("_levels", "_codes"):
        for part in attributes.get(key, ()):  # type: ignore[attr-defined]
            walk.stack.append(part)
            shape.append(address(part))
    return tuple(shape)


def _backed_array(obj: Any, walk: Walk) -> object:
    """pandas arrays over one numpy array: categoricals, dates, durations."""
    parts = (obj._ndarray, obj._dtype)
    walk.stack.extend(parts)
    return shallow(parts)


def _arrow_array(obj: Any, walk: Walk) -> object:
    """pandas arrays held by Arrow: immutable chunks, replaced on every write."""
    data = obj._pa_array
    size = int(data.nbytes)
    if size < LARGE:
        return (str(data.type), len(data), _arrow_print(data))
    return (str(data.type), len(data), walk.contents.version(obj, size, _arrow_array_print, walk))


def _arrow_array_print(obj: Any) -> int:
    return _arrow_print(obj._pa_array)


def _arrow_print(data: Any) -> int:
    digest = xxh3_64()
    for chunk in getattr(data, "chunks", [data]):
        for buffer in chunk.buffers():
            if buffer is not None:
                digest.update(memoryview(buffer))
        digest.update(f"{chunk.offset}:{len(chunk)};".encode())
    return digest.intdigest()


def _arrow_buffer(obj: Any, walk: Walk) -> object:
    walk.keys.add(~int(obj.address))
    if getattr(obj, "parent", None) is not None:
        walk.stack.append(obj.parent)
    return (obj.size, xxh3_64_intdigest(memoryview(obj)))


def _arrow_data(obj: Any, walk: Walk) -> object:
    """Arrow's arrays and tables: never changed, unless they lie in memory of numpy's."""
    if walk.buffers:
        starts = sorted(walk.buffers)
        for start in _arrow_addresses(obj):
            place = bisect.bisect_right(starts, start) - 1
            if place >= 0 and start < starts[place] + max(walk.buffers[starts[place]], 1):
                walk.keys.add(~starts[place])
    return None


def _arrow_addresses(data: Any) -> Iterator[int]:
    columns = data.columns if hasattr(data, "columns") else [data]
    for column in columns:
        for chunk in getattr(column, "chunks", [column]):
            for buffer in chunk.buffers():
                if buffer is not None:
                    yield int(buffer.address)


def _lazy(obj: Any, walk: Walk) -> object:
    walk.lazy = True
    return None


def _query(obj: Any, walk: Walk) -> object:
    walk.hides.add("polars")
    return _lazy(obj, walk)


def _expression(obj: Any, walk: Walk) -> object:
    walk.hides.add("polars")
    return None


def _universal_function(obj: Any, walk: Walk) -> object:
    if obj.__name__.endswith(" (vectorized)"):  # of `np.frompyfunc`
        walk.hides.add("numpy")
    return None


def _polars_frame(obj: Any, walk: Walk) -> object:
    columns = obj.get_columns()
    schema = tuple((s.name, str(s.dtype)) for s in columns)
    if any(kind == "Object" for _, kind in schema) or obj.estimated_size() < LARGE:
        return (schema, tuple(_polars_print(s, walk) for s in columns))
    size = int(obj.estimated_size())
    return (schema, obj.shape, walk.contents.version(obj, size, _polars_hash, walk))


def _polars_hash(frame: Any) -> int:
    return joined(*(_arrow_print(s.to_arrow()) for s in frame.get_columns()))


def _polars_series(obj: Any, walk: Walk) -> object:
    kind = str(obj.dtype)
    if kind == "Object" or obj.estimated_size() < LARGE:
        return (obj.name, kind, _polars_print(obj, walk))
    size = int(obj.estimated_size())
    read = _polars_series_hash
    return (obj.name, kind, len(obj), walk.contents.version(obj, size, read, walk))


def _polars_series_hash(series: Any) -> int:
    return _arrow_print(series.to_arrow())


def _polars_print(series: Any, walk: Walk) -> object:
    if str(series.dtype) == "Object":
        return sequence(series.to_list(), len(series), walk)
    return _arrow_print(series.to_arrow())


def _tensor(obj: Any, walk: Walk) -> object:
    torch = sys.modules["torch"]
    with plain_torch(torch):
        shared = [~int(obj.untyped_storage().data_ptr())]
        walk.keys.update(shared)
        walk.shares[address(obj)] = shared
        # Of other tensors, asking for it warns.
        parts = [obj.grad] if obj.is_leaf or obj.retains_grad else [None]
        parts.append(obj._backward_hooks)
        if obj.grad_fn is not None:
            _backward_graph(obj.grad_fn, walk)
        walk.stack += parts
        shape: list[object] = [str(obj.dtype), tuple(obj.shape), obj.requires_grad, obj._version]
        shape.append(shallow(parts))
        attributes = attributes_of(obj)
        if attributes:
            walk.stack.extend(attributes.values())
            shape.append(shallow(list(attributes.items())))
        if obj.device.type == "cpu" and obj.layout == torch.strided:
            size = obj.numel() * obj.element_size()
            if size >= LARGE:
                shape.append(walk.contents.version(obj, size, _tensor_print, walk))
            else:
                shape.append(_tensor_print(obj) if size else 0)
    return tuple(shape)


def _tensor_print(obj: Any) -> int:
    torch = sys.modules["torch"]
    with torch._C.DisableTorchFunctionSubclass():
        flat = obj.detach().contiguous().view(-1).view(torch.uint8)
        return xxh3_64_intdigest(memoryview(flat.numpy()))


@contextlib.contextmanager
def plain_torch(torch: Any) -> Iterator[None]:
    """Inside, no subclass or mode of the user's is told of what is asked of tensors."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch._C.DisableTorchFunction())
        if torch._C._len_torch_dispatch_stack():
            modes = sys.modules["torch.utils._python_dispatch"]
            stack.enter_context(modes._disable_current_modes())
        yield


def _backward_graph(root: Any, walk: Walk) -> None:
    """Go to the tensors that a backward pass leaves gradients in, and to code that it runs."""
    todo = [root]
    while todo:
        node = todo.pop()
        key = address(node)
        if key in walk.seen:
            continue
        walk.seen.add(key)
        walk.keep.append(node)  # Python's side of a node may be made anew at every look
        if len(walk.keep) > MAX_KEYS or (
            not len(walk.keep) & 255 and time.thread_time() > walk.deadline
        ):
            walk.cut = True
            return
        if (leaf := getattr(node, "variable", None)) is not None:
            walk.stack.append(leaf)
        elif (function := getattr(type(node), "_forward_cls", None)) is not None:
            walk.stack += [function, *(attributes_of(node) or {}).values()]
        todo += [inner for inner, _ in node.next_functions if inner is not None]


def _artist(obj: Any, walk: Walk) -> object:
    """matplotlib: a figure and all that is drawn in it are one thing that can't be seen into."""
    walk.pyplot = True
    attributes = attributes_of(obj) or {}
    root = obj
    for _ in range(8):
        inner = attributes_of(root) or {}
        parent = inner.get("_parent_figure") or inner.get("figure") or inner.get("_figure")
        if parent is None or parent is root:
            break
        root = parent
    if "axes" in attributes and root is obj and attributes["axes"] is not None:
        inner = attributes_of(attributes["axes"]) or {}
        root = inner.get("_parent_figure") or inner.get("figure") or obj
    key = address(root)
    walk.keys |= {key, address(obj)}
    walk.opaque.add(key)
    _artist_callbacks(root, walk)
    if root is not obj:
        _artist_callbacks(obj, walk)
    return None


def _artist_callbacks(artist: Any, walk: Walk) -> None:
    """Go to the functions of the user's that a figure or axes call on events."""
    inner = attributes_of(artist) or {}
    registries = [inner.get(n) for n in ("_canvas_callbacks", "callbacks", "_callbacks")]
    stack: Any = inner.get("_axstack")
    for axes in stack.as_list() if stack is not None else ():
        registries.append((attributes_of(axes) or {}).get("callbacks"))
    for registry in registries:
        for group in list(getattr(registry, "callbacks", {}).values()):
            functions = [reference() for reference in list(group.values())]
            walk.stack += [f for f in functions if not _is_of_matplotlib(f)]


def _is_of_matplotlib(function: Any) -> bool:
    owner = getattr(function, "__func__", function)
    return owner is None or str(getattr(owner, "__module__", "")).startswith("matplotlib.")


NAMED: dict[tuple[str, str], Handler] = {
    ("numpy", "memmap"): _memmap,
    ("numpy", "MaskedArray"): _masked_array,
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "void"): _record,
    ("numpy", "ufunc"): _universal_function,
    ("numpy", "flatiter"): _flat_iterator,
    ("numpy", "nditer"): _array_iterator,
    ("numpy", "SeedSequence"): _seed_sequence,
    ("numpy", "Generator"): _random_generator,
    ("numpy", "BitGenerator"): _random_generator,
    ("numpy", "RandomState"): _legacy_generator,
    ("pandas", "DataFrame"): _frame,
    ("pandas", "Series"): _frame,
    ("pandas", "Index"): _index,
    ("pandas", "ArrowExtensionArray"): _arrow_array,
    ("pandas", "NDArrayBacked"): _backed_array,
    ("pyarrow", "Buffer"): _arrow_buffer,
    ("pyarrow", "Array"): _arrow_data,
    ("pyarrow", "ChunkedArray"): _arrow_data,
    ("pyarrow", "Table"): _arrow_data,
    ("pyarrow", "RecordBatch"): _arrow_data,
    ("pyarrow", "Dataset"): _lazy,
    ("polars", "LazyFrame"): _query,
    ("polars", "Expr"): _expression,
    ("polars", "DataFrame"): _polars_frame,
    ("polars", "Series"): _polars_series,
    ("torch", "Tensor"): _tensor,
    ("matplotlib", "Artist"): _artist,
    ("matplotlib", "FigureCanvasBase"): _artist,
    ("xgboost", "Booster"): opaque,
    ("lightgbm", "Booster"): opaque,
    ("pathlib", "PurePath"): nothing,
    ("multiprocessing", "_ConnectionBase"): opaque,
    ("multiprocessing", "BaseProxy"): opaque,
    ("_cyutility", "memoryview"): _cython_view,
}

WHOLE = frozenset({
    _cython_view, _frame, _index, _artist, opaque, nothing, _polars_frame, _polars_series,
    _arrow_data, _lazy, _query, _expression,
})  # fmt: skip
"""Handlers that say all there is to say of subclasses too."""


def is_immutable_of_library(kind: type, package: str) -> bool:
    name = qualname(kind)
    if package == "numpy":
        bases = {qualname(b) for b in kind.__mro__}
        scalar = "generic" in bases and "void" not in bases  # a record can be written to
        return scalar or "dtype" in bases or name in ("ufunc", "_ArrayFunctionDispatcher")
    if package == "pandas":
        return any(
            qualname(b)
            in (
                "Timestamp", "Timedelta", "Period", "Interval", "NaTType", "NAType", "BaseOffset",
                "ExtensionDtype", "PeriodDtypeBase", "Flags", "BlockPlacement",
            )
            for b in kind.__mro__
        )  # fmt: skip
    if package == "pyarrow":
        return not any(
            w in name for w in ("Writer", "Stream", "File", "Reader", "Builder", "Buffer")
        )
    if package == "polars":
        return "type" in name.lower() or name in ("Expr", "LazyFrame", "PyExpr", "PyLazyFrame")
    if package == "torch":
        return name in ("dtype", "device", "Size", "layout", "memory_format", "finfo", "iinfo")
    if package in ("typing", "zoneinfo"):
        return True
    return package == "_thread" and name == "_localdummy"

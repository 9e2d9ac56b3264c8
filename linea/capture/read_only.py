"""Operations of libraries that write to no array there is, by name and number of arguments.

Right for every type of these libraries that has an operation of the name, and for Python's own;
`tests/capture/test_read_only.py` calls them and compares every operand. Where a further positional
argument would name an output, the number says how many may be given.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

PACKAGES = frozenset({
    "numpy", "pandas", "polars", "pyarrow", "datetime", "zoneinfo", "decimal", "fractions",
    "collections", "math", "statistics", "calendar", "time", "re",
})  # fmt: skip
"""Where the types of what a statement works with may come from."""

TYPES = frozenset({
    "str", "int", "float", "bool", "complex", "bytes", "list", "tuple", "dict", "set", "len", "sum",
    "min", "max", "abs", "round", "sorted",
})  # fmt: skip
"""Builtins that may be passed on, to be called."""

WRITING_KEYWORDS = frozenset({
    "inplace", "in_place", "out", "copy", "overwrite", "overwrite_input", "overwrite_a", "overwrite_b",
    "buf", "storage_options", "converters", "date_parser", "key", "engine", "initial", "where",
})  # fmt: skip
"""Keyword arguments with which an operation may write to what it is given, or call what it is."""

ATTRIBUTES = frozenset({
    "T", "at", "array", "cat", "categories", "codes", "columns", "date", "day", "dayofweek",
    "dayofyear", "days", "dt", "dtype", "dtypes", "empty", "hour", "iat", "iloc", "imag", "index",
    "is_unique", "itemsize", "levels", "list", "loc", "microsecond", "minute", "month", "name", "names",
    "nbytes", "ndim", "nlevels", "quarter", "real", "schema", "second", "seconds", "shape", "size", "str",
    "time", "values", "weekday", "width", "height", "year", "is_monotonic_increasing", "hasnans",
})  # fmt: skip


def _each(words: str, most: int) -> dict[str, int]:
    return dict.fromkeys(words.split(), most)


METHODS: dict[str, int] = {
    # Of frames, series, groups and windows; of arrays where they have them.
    **_each("sum mean std var median min max prod all any argmin argmax cumsum cumprod round", 1),
    **_each("count nunique quantile sem skew kurt kurtosis mode idxmin idxmax first last nth size", 1),
    **_each("cummin cummax diff pct_change shift rank copy astype reset_index set_index", 1),
    **_each("sort_values sort_index drop dropna fillna ffill bfill rename reindex nlargest nsmallest", 1),
    **_each("clip replace swapaxes", 2),
    **_each("melt pivot pivot_table stack unstack explode transpose assign merge join head tail", 4),
    **_each("sample value_counts unique duplicated drop_duplicates isin isna isnull notna notnull", 1),
    **_each("between where mask add sub mul div truediv floordiv mod pow radd rsub rmul eq ne lt", 2),
    **_each("le gt ge abs describe info corr cov corrwith autocorr dot groupby rolling expanding", 1),
    **_each("ewm resample agg aggregate transform apply map add_prefix add_suffix cumcount ngroup", 1),
    **_each("select_dtypes memory_usage nlargest squeeze equals items iterrows itertuples keys get", 1),
    **_each("to_numpy tolist to_list to_dict to_frame to_string to_csv to_parquet to_json to_html", 1),
    **_each("to_markdown to_records to_period to_timestamp to_series get_level_values get_group", 1),
    **_each("tz_localize tz_convert strftime normalize floor ceil day_name month_name isocalendar", 1),
    **_each("total_seconds isoformat date time timestamp as_ordered set_categories isnull iterrows", 1),
    **_each("droplevel swaplevel reorder_levels xs crosstab factorize interpolate truncate asfreq", 1),
    # Of arrays.
    **_each("flatten ravel reshape nonzero argsort diagonal trace item tobytes repeat", 1),
    **_each("searchsorted", 1),
    **_each("conj conjugate", 0),
    # Of text, by itself or element by element.
    **_each("lower upper strip lstrip rstrip split rsplit contains startswith endswith len extract", 3),
    **_each("extractall findall slice zfill pad title capitalize match fullmatch isdigit isalpha", 3),
    **_each("isnumeric isalnum islower isupper find rfind index encode decode get_dummies casefold", 3),
    # Of numpy's generators: what they change, their state, is looked at.
    **_each("random standard_normal", 1),
    **_each("normal uniform lognormal laplace logistic gumbel binomial beta gamma triangular", 4),
    **_each("integers choice poisson exponential geometric multivariate_normal multinomial", 4),
    **_each("permutation randint randn rand random_sample", 3),
}  # fmt: skip

POLARS: dict[str, int] = {
    **_each("agg join pivot sort unique drop rename explode sum mean min max std var head tail", 20),
    **_each("rank quantile median first last count abs round fill_nan shift diff vstack str dt", 20),
    **_each("select filter with_columns with_row_index group_by group_by_dynamic lazy collect", 20),
    **_each("alias over then otherwise cast is_null is_not_null fill_null is_in null_count n_unique", 20),
    **_each("unpivot glimpse to_pandas to_arrow to_dicts rows row len n_chunks estimated_size", 3),
    **_each("is_between shape top_k bottom_k cum_sum dt_truncate len_chars", 3),
    **_each("to_lowercase to_uppercase replace_all strip_chars to_date to_datetime strptime", 3),
}  # fmt: skip

_FUNCTIONS: dict[str, dict[str, int]] = {
    "numpy": {
        **_each("nan_to_num array asarray zeros ones empty eye identity ravel squeeze transpose nonzero", 1),
        **_each("full zeros_like ones_like empty_like full_like arange linspace logspace unique", 4),
        **_each("concatenate stack sum mean std var median min max amin amax prod argmin argmax", 2),
        **_each("cumsum cumprod argsort sort all any nansum nanmean nanstd nanvar nanmin nanmax", 2),
        **_each("nanmedian dot outer round around diff repeat tile reshape expand_dims isin", 2),
        **_each("percentile quantile nanpercentile nanquantile clip interp polyfit where cross", 3),
        **_each("vstack hstack column_stack atleast_2d bincount diag tril triu flip cov corrcoef", 1),
        **_each("histogram digitize searchsorted histogram2d allclose isclose array_equal append", 3),
        **_each("convolve correlate gradient split array_split select polyval trapezoid vander", 3),
        **_each("argwhere flatnonzero count_nonzero roll moveaxis swapaxes", 3),
        **_each("datetime64 timedelta64 inner kron ptp result_type shape size ndim isscalar", 2),
    },
    "numpy.linalg": _each("norm inv pinv det eig eigh eigvals svd solve lstsq qr matrix_rank", 2),
    "numpy.random": {
        **_each("rand randn random_sample random randint normal uniform choice permutation", 4),
        **_each("seed default_rng RandomState binomial poisson exponential beta gamma lognormal", 4),
    },
    "numpy.fft": _each("fft ifft rfft irfft fftfreq rfftfreq fftshift", 2),
    "pandas": {
        **_each("DataFrame Series Index concat to_datetime to_numeric to_timedelta get_dummies", 2),
        **_each("cut qcut merge pivot_table crosstab melt merge_asof", 4),
        **_each("isna isnull notna notnull unique factorize Categorical MultiIndex read_csv", 1),
        **_each("read_parquet read_json read_excel read_feather Timestamp Timedelta Period", 1),
        **_each("date_range timedelta_range period_range bdate_range interval_range", 4),
    },
    "polars": {
        **_each("DataFrame Series col lit when concat read_csv read_parquet scan_csv", 20),
        **_each("scan_parquet sum mean min max len count all date_range datetime duration", 4),
    },
    "math": _each(
        "sqrt exp log log2 log10 sin cos tan pi floor ceil fabs isnan isinf pow hypot fsum", 2
    ),
    "time": _each("time perf_counter process_time monotonic sleep", 1),
    "statistics": _each("mean median stdev variance pstdev mode", 1),
}  # fmt: skip

_CLASSES = {
    "pandas": ("DataFrame", "Series", "Index", "MultiIndex", "DatetimeIndex", "Categorical"),
    "pandas.api.typing": ("DataFrameGroupBy", "SeriesGroupBy", "Rolling", "Expanding", "Resampler"),
    "polars": ("DataFrame", "Series", "Expr", "LazyFrame"),
}

_DATA = frozenset({
    "numpy.ndarray", "numpy.random._generator.Generator", "pandas.DataFrame", "pandas.Series",
    "polars.dataframe.frame.DataFrame", "polars.series.series.Series", "polars.lazyframe.frame.LazyFrame",
    "polars.expr.expr.Expr", "datetime.date", "datetime.datetime", "datetime.timedelta",
})  # fmt: skip
_FRAMES = frozenset({"pandas.DataFrame", "pandas.core.frame.DataFrame"})
_SERIES = frozenset({"pandas.core.series.Series"})


def replaces_columns() -> bool:
    """Whether an operator such as `+=` on a column of a frame puts a new array in its place."""
    pandas: Any = sys.modules.get("pandas")
    return pandas is not None and not str(pandas.__version__).startswith(("0.", "1.", "2."))


def is_frame(kind: type | None) -> bool:
    """Whether `kind` is pandas' own DataFrame, whose items are columns."""
    return kind is not None and _dotted(kind) in _FRAMES


def is_data(kind: type) -> bool:
    """Whether the operations listed here are those of `kind`."""
    name = _dotted(kind)
    if name in _DATA or name in _FRAMES or name in _SERIES:
        return True
    top = name.partition(".")[0]
    if top == "pandas":
        return any(_dotted(base) in ("pandas.core.indexes.base.Index", "pandas.Index")
                   for base in kind.__mro__)  # fmt: skip
    return top == "numpy" and any(base.__name__ == "generic" for base in kind.__mro__)


def _dotted(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def is_data_type(value: object) -> bool:
    """Whether `value` is a type of numbers or columns: `np.float64`, `pl.Int64`."""
    if not isinstance(value, type) or not isinstance(value.__module__, str):
        return False
    top = value.__module__.partition(".")[0]
    names = {base.__name__ for base in value.__mro__}
    return top in ("numpy", "pandas", "polars") and bool(
        names & {"generic", "ExtensionDtype", "DataType"}
    )


def classes() -> Iterator[type]:
    """The classes of the libraries loaded that users call methods of."""
    for module_name, names in _CLASSES.items():
        module = sys.modules.get(module_name)
        for name in names if module is not None else ():
            kind = vars(module).get(name)
            if isinstance(kind, type):
                yield kind


_CALLABLES = frozenset({
    "function", "builtin_function_or_method", "method", "_ArrayFunctionDispatcher", "ufunc", "type",
    "cython_function_or_method", "ABCMeta", "Col",
})  # fmt: skip


def most_arguments(name: str, function: object) -> int:
    """How many positional arguments `function`, called `name`, may be given; -1: none at all."""
    kind = type(function)
    if kind.__name__ not in _CALLABLES:
        return -1
    for module_name, table in _FUNCTIONS.items():
        module: Any = sys.modules.get(module_name)
        if module is None or vars(module).get(name) is not function:
            continue
        if kind.__name__ == "ufunc" and kind.__module__ == "numpy":
            ufunc: Any = function
            return int(ufunc.nin)
        if name in table and _is_called(function, table) and is_original(function):
            return table[name]
    return -1


def _is_called(function: Any, names: Iterable[str]) -> bool:
    """Whether `function` calls itself by one of `names`, where it says how it is called."""
    own = getattr(function, "__name__", None)  # its type is one of `_CALLABLES`
    return not isinstance(own, str) or own in names


def is_original(value: object) -> bool:
    """Whether what a library's module or class holds is its own, not put there by somebody."""
    if type(value) in (staticmethod, classmethod):
        value = value.__func__  # type: ignore[attr-defined]  # both have one
    elif type(value) is property:
        value = value.fget
    if type(value) is types.FunctionType:
        module: object = value.__globals__.get("__name__")
    elif isinstance(value, type):
        module = value.__module__
    else:
        return True  # made in C
    return isinstance(module, str) and module.partition(".")[0] in PACKAGES

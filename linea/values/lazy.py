"""Values that are still to be computed: told by their classes, and how each gives its result."""

from __future__ import annotations

POLARS = "polars.lazyframe.frame.LazyFrame"

QUERIES: dict[str, tuple[str, str]] = {
    POLARS: ("a lazy query of polars", ".collect()"),
    "polars.expr.expr.Expr": ("an expression of polars", "the column: frame.select(it)"),
    "narwhals.dataframe.LazyFrame": ("a lazy query", ".collect().to_native()"),
    "narwhals.stable.v1.LazyFrame": ("a lazy query", ".collect().to_native()"),
    "dask.base.DaskMethodsMixin": ("a lazy collection of dask", ".compute()"),
    "dask.delayed.Delayed": ("a delayed value of dask", ".compute()"),
    "dask.dataframe.dask_expr._collection.FrameBase": ("a lazy table of dask", ".compute()"),
    "distributed.client.Future": ("a result that dask still computes", ".result()"),
    "ibis.expr.types.core.Expr": ("a query of ibis", ".to_pyarrow() or .execute()"),
    "duckdb.duckdb.DuckDBPyRelation": ("a query of duckdb", ".fetch_arrow_table() or .df()"),
    "duckdb._relation.DuckDBPyRelation": ("a query of duckdb", ".fetch_arrow_table() or .df()"),
    "_duckdb.DuckDBPyRelation": ("a query of duckdb", ".fetch_arrow_table() or .df()"),
    "duckdb.duckdb.DuckDBPyConnection": ("a connection of duckdb", "what a query gives: .df()"),
    "_duckdb.DuckDBPyConnection": ("a connection of duckdb", "what a query gives: .df()"),
    "pyspark.sql.dataframe.DataFrame": ("a query of Spark", ".toPandas() or .toArrow()"),
    "pyspark.sql.classic.dataframe.DataFrame": ("a query of Spark", ".toPandas() or .toArrow()"),
    "pyspark.sql.connect.dataframe.DataFrame": ("a query of Spark", ".toPandas() or .toArrow()"),
    "pyspark.rdd.RDD": ("a collection of Spark", ".collect()"),
    "pyspark.core.rdd.RDD": ("a collection of Spark", ".collect()"),
    "daft.dataframe.dataframe.DataFrame": ("a query of daft", ".to_arrow()"),
    "vaex.dataframe.DataFrame": ("a lazy table of vaex", ".to_arrow_table()"),
    "datafusion.dataframe.DataFrame": ("a query of datafusion", ".to_arrow_table()"),
    "snowflake.snowpark.dataframe.DataFrame": ("a query of Snowpark", ".to_pandas()"),
    "google.cloud.bigquery.table.RowIterator": ("rows of BigQuery", ".to_arrow()"),
    "datasets.iterable_dataset.IterableDataset": ("a stream of examples", "list(it)"),
    "sqlalchemy.engine.base.Connection": ("a database connection", "what a query gives"),
    "sqlalchemy.engine.base.Engine": ("a database engine", "what a query gives"),
    "sqlalchemy.orm.session.Session": ("a database session", "what a query gives"),
    "sqlalchemy.orm.query.Query": ("a database query", ".all()"),
}
"""What an object of these classes, or of one made of them, is; and what gives its result."""


def query(kind: type) -> tuple[str, str] | None:
    """Say what values of a class are, and what to do, if they're still to be computed."""
    for base in kind.__mro__:
        found = QUERIES.get(f"{base.__module__}.{base.__qualname__}")
        if found is not None:
            what, result = found
            return what, f"save {'its ' if result.startswith('.') else ''}{result}"
    return None


def is_collected(kind: type) -> bool:
    """Whether values of a class are computed in order to be saved."""
    return f"{kind.__module__}.{kind.__qualname__}" == POLARS

"""`linea.file_system` and `linea.db`: what a session did to files and to databases, as artifacts."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable
from pathlib import Path

from linea import slicing
from linea.capture import criterion
from linea.capture.session import Session
from linea.capture.source import uses
from linea.errors import UnstorableError
from linea.trace import Location, Slice

DATABASES = frozenset({
    "sqlite3", "_sqlite3", "sqlalchemy", "psycopg", "psycopg2", "duckdb", "_duckdb", "pymysql", "MySQLdb",
    "mysql", "pyodbc", "asyncpg", "pymongo", "redis", "snowflake", "cx_Oracle", "oracledb", "google", "peewee",
    "clickhouse_connect", "aiosqlite", "sqlmodel", "pymssql", "sqlite_utils",
})  # fmt: skip
"""Top-level packages that talk to databases."""

WRITING = frozenset({
    "execute", "executemany", "executescript", "to_sql", "commit", "write_database", "exec", "sql", "run",
    "insert", "insert_one", "insert_many", "update_one", "update_many", "delete_one", "delete_many",
    "replace_one", "bulk_write", "add", "add_all", "merge", "delete", "flush", "create_all", "drop_all",
    "copy", "insert_all", "upsert", "upsert_all", "set", "hset", "rpush", "lpush", "save", "create",
})  # fmt: skip
"""Calls that may write to a database."""

_ONLY_READS = re.compile(r"\s*(select|with|show|describe|explain|pragma)\b", re.IGNORECASE)


class Outside:
    """Stands for all that the session's statements did to one part of the world outside."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"linea.{self.name}"


file_system = Outside("file_system")
db = Outside("db")


def value_of(outside: Outside, session: Session | None) -> object:
    """What is stored: the files with their SHA-256, or the statements that wrote to databases."""
    if session is None:
        raise UnstorableError(
            f"nothing was watched, so {outside!r} is not known",
            hint="use `linea run` or `%load_ext linea`",
        )
    if outside is db:
        return [session.steps[i].statement.source for i in database_steps(session)]
    found = _files(session)
    if not found:
        raise UnstorableError("this session has written no file", hint="save it after it has")
    return _digests(found)


def slice_of(outside: Outside, session: Session, result: str) -> tuple[Slice, list[int]]:
    """The statements that did it, and a last line that gives what is stored of it."""
    if outside is db:
        forced = database_steps(session)
        kept = slicing.backward(session.steps, (), forced=forced)
        last = f"{result} = {value_of(outside, session)!r}"
    else:
        wanted = {Location(f"file:{path}") for path in session.tools.filing.written}
        kept = slicing.backward(session.steps, wanted)
        last = (
            f"{result} = {{p: __import__('hashlib').sha256(open(p, 'rb').read()).hexdigest() "
            f"for p in {_files(session)!r}}}"
        )
    return criterion.render(session, kept, result=result, last=last), kept


def database_steps(session: Session) -> list[int]:
    """Positions of the steps that may have written to a database."""
    return [
        step.index
        for step in session.steps
        if session.packages.get(step.index, frozenset()) & DATABASES
        and _may_write(step.statement.source)
    ]


def _may_write(source: str) -> bool:
    try:
        found = uses(ast.parse(source).body[0])
    except (SyntaxError, IndexError):
        return True
    queries = [s for s in found.strings if " " in s]
    only_reads = bool(queries) and all(map(_ONLY_READS.match, queries))
    return bool(found.calls & WRITING) and not only_reads


def _files(session: Session) -> list[str]:
    """Files that the session has written and that are still there, as seen from here."""
    here = f"{Path.cwd()}{os.sep}"
    found = sorted(path for path in session.tools.filing.written if Path(path).is_file())
    return [path.removeprefix(here) for path in found]


def _digests(paths: Iterable[str]) -> dict[str, str]:
    import hashlib

    return {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths}

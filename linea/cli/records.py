"""History's records to the dicts that `--json` prints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from linea.cli.render import plain

if TYPE_CHECKING:
    from linea.history.bisect import Turn
    from linea.history.blame import CellOrigin, ColumnOrigin, LineOrigin, RowOrigin
    from linea.history.diff import Diff
    from linea.history.files import Made
    from linea.history.graph import Graph
    from linea.history.log import LogEntry
    from linea.history.status import Stale, Status
    from linea.model import Verdict, Version
    from linea.store.operations import Operation


def of_version(version: Version) -> dict[str, Any]:
    """Return what identifies a version and what it is."""
    return {
        "revision": version.revision,
        "name": version.name,
        "version": version.number,
        "commit": version.commit,
        "digest": version.digest,
        "kind": version.value.kind,
        "type": version.value.type,
        "summary": plain(version.value.summary),
        "author": version.author,
        "created": version.created.isoformat(),
        "message": version.message,
    }


def of_version_in_full(version: Version) -> dict[str, Any]:
    """Return all that was recorded of a version."""
    return of_version(version) | {
        "previous": version.previous,
        "parents": plain(version.parents),
        "inputs": plain(version.inputs),
        "columns": plain(version.value.columns),
        "environment": plain(version.environment),
        "result": version.result,
        "source": version.source,
        "seconds": version.seconds,
        "conservative": list(version.conservative),
        "unreproducible": list(version.unreproducible),
        "written": plain(version.written),
        "parts": plain(version.value.parts),
    }


def of_verdict(verdict: Verdict | None) -> Any:
    return plain(verdict)


def of_entry(entry: LogEntry) -> dict[str, Any]:
    return of_version(entry.version) | {
        "changes": plain(entry.changes),
        "added": entry.added,
        "removed": entry.removed,
        "tags": list(entry.tags),
        "verdict": of_verdict(entry.verdict),
    }


def of_line(line: LineOrigin) -> dict[str, Any]:
    return {
        "line": line.number,
        "text": line.text,
        "revision": line.version.revision,
        "version": line.version.number,
        "commit": line.version.commit,
        "author": line.author,
        "created": line.created.isoformat(),
        "place": plain(line.place),
    }


def of_column(origin: ColumnOrigin) -> dict[str, Any]:
    return {
        "column": origin.column.name,
        "type": origin.column.type,
        "digest": origin.column.digest,
        "revision": origin.version.revision,
        "version": origin.version.number,
        "commit": origin.version.commit,
        "author": origin.version.author,
        "created": origin.version.created.isoformat(),
        "since": origin.since.number,
        "line": origin.line,
        "place": plain(origin.place),
        "text": origin.text,
        "reads": list(origin.reads),
        "parent": plain(origin.parent),
        "parent_column": origin.parent_column,
    }


def of_row(origin: RowOrigin) -> dict[str, Any]:
    return {
        "row": plain(origin.row),
        "revision": origin.version.revision,
        "version": origin.version.number,
        "author": origin.version.author,
        "created": origin.version.created.isoformat(),
        "came": origin.came,
    }


def of_cell(cell: CellOrigin) -> dict[str, Any]:
    return {
        "column": cell.column,
        "value": plain(cell.value),
        "before": plain(cell.before),
        "revision": cell.version.revision,
        "version": cell.version.number,
        "author": cell.version.author,
        "created": cell.version.created.isoformat(),
        "came": cell.came,
    }


def of_diff(difference: Diff) -> dict[str, Any]:
    code = difference.code
    return {
        "before": of_version(difference.before),
        "after": of_version(difference.after),
        "differs": bool(difference),
        "code": {
            "added": code.added,
            "removed": code.removed,
            "moved": code.moved,
            "hunks": plain(code.hunks()),
        },
        "modules": {path: plain(code.hunks()) for path, code in difference.modules},
        "value": plain(difference.value),
        "inputs": plain(difference.inputs),
        "parents": plain(difference.parents),
        "environment": plain(difference.environment),
    }


def of_stale(found: Iterable[Stale]) -> list[dict[str, Any]]:
    return [of_version(stale.version) | {"reasons": plain(stale.reasons)} for stale in found]


def of_status(found: Status) -> dict[str, Any]:
    return {
        "artifacts": len(found.versions),
        "stale": of_stale(found.stale),
        "altered": [
            {"path": each.path, "revision": each.version.revision} for each in found.altered
        ],
        "unverified": [version.revision for version in found.unverified],
    }


def of_made(made: Made) -> dict[str, Any]:
    return {
        "read": plain(made.file),
        "via": made.via,
    }


def of_graph(graph: Graph) -> dict[str, Any]:
    return {
        "nodes": [
            {"id": node.id, "label": node.label}
            | ({"version": of_version(node.version)} if node.version else {})
            | ({"file": plain(node.file)} if node.file else {})
            for node in graph.nodes
        ],
        "edges": plain(graph.edges),
    }


def of_turn(found: Turn) -> dict[str, Any]:
    return {
        "last_good": of_version(found.last_good),
        "first_bad": of_version(found.first_bad),
        "tested": [
            {
                "revision": each.version.revision,
                "good": each.answer.good,
                "note": each.answer.note,
                "left": each.left,
            }
            for each in found.tested
        ],
        "unsure": [version.revision for version in found.unsure],
    }


def of_operation(done: Operation) -> dict[str, Any]:
    """Return what was done to the store."""
    return {"id": done.id, "when": done.when.isoformat(), "kind": done.kind, "what": done.what}

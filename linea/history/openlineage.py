"""A lineage to OpenLineage's run events, a run a version."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from linea.history.blame import parent_tables
from linea.history.columns import Write, from_parent, sources, writes
from linea.history.graph import Graph
from linea.history.reading import Reader
from linea.model import InputFile, Version

PRODUCER = "urn:linea"
_SPEC = "https://openlineage.io/spec"
_FACETS = {
    "schema": "1-2-0/SchemaDatasetFacet",
    "version": "1-0-1/DatasetVersionDatasetFacet",
    "columnLineage": "1-2-0/ColumnLineageDatasetFacet",
    "sourceCode": "1-0-1/SourceCodeJobFacet",
    "processing_engine": "1-1-1/ProcessingEngineRunFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet",
}
_RUNS = uuid.UUID("6f1d9a52-2f0e-5b43-9a37-1f2f6d0f5b1e")
"""Namespace of the runs' ids: the same version has the same id everywhere."""


def openlineage(repository: Reader, graph: Graph, namespace: str) -> str:
    """Return one JSON object a line: the run event of each version, the oldest first."""
    versions = [node.version for node in reversed(graph.nodes) if node.version is not None]
    events = (event(repository, version, namespace) for version in versions)
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in events)


def event(repository: Reader, version: Version, namespace: str) -> dict[str, Any]:
    """Return the event of the run that made a version."""
    tables = parent_tables(repository, version)
    parents = [_of_parent(parent.name, tables.get(parent.name), str(parent.digest), namespace)
               for parent in version.parents]  # fmt: skip
    engine = {"name": "python", "version": version.environment.python}
    return {
        "eventType": "COMPLETE",
        "eventTime": version.created.isoformat(),
        "producer": PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {
            "runId": str(uuid.uuid5(_RUNS, version.commit)),
            "facets": _facet("processing_engine", engine) if version.environment.python else {},
        },
        "job": {
            "namespace": namespace,
            "name": version.name,
            "facets": _facet(
                "sourceCode", {"language": "PYTHON", "sourceCode": repository.code(version)}
            ),
        },
        "inputs": [*parents, *map(_of_file, version.inputs)],
        "outputs": [_output(repository, version, tables, namespace)],
    }


def _facet(name: str, said: dict[str, Any]) -> dict[str, Any]:
    kind = _FACETS[name].partition("/")[2]
    url = f"{_SPEC}/facets/{_FACETS[name]}.json#/$defs/{kind}"
    return {name: {"_producer": PRODUCER, "_schemaURL": url, **said}}


def _of_parent(name: str, table: Version | None, digest: str, namespace: str) -> dict[str, Any]:
    facets = _facet("version", {"datasetVersion": digest})
    return {
        "namespace": namespace,
        "name": name,
        "facets": facets | (_schema(table) if table is not None else {}),
    }


def _of_file(file: InputFile) -> dict[str, Any]:
    facets = _facet("version", {"datasetVersion": str(file.digest)})
    return {"namespace": "file", "name": file.path, "facets": facets}


def _schema(version: Version) -> dict[str, Any]:
    fields = [{"name": column.name, "type": column.type} for column in version.value.columns]
    return _facet("schema", {"fields": fields}) if fields else {}


def _output(
    repository: Reader, version: Version, tables: dict[str, Version], namespace: str
) -> dict[str, Any]:
    facets = _facet("version", {"datasetVersion": str(version.digest)}) | _schema(version)
    fields = dict(_column_lineage(repository, version, tables, namespace))
    if fields:
        facets |= _facet("columnLineage", {"fields": fields})
    rows = version.value.summary.get("rows")
    size = sum(part.size for part in version.value.parts)
    counts = {"size": size} | ({"rowCount": rows} if isinstance(rows, int) else {})
    return {
        "namespace": namespace,
        "name": version.name,
        "facets": facets,
        "outputFacets": _facet("outputStatistics", counts),
    }


def _column_lineage(
    repository: Reader, version: Version, tables: dict[str, Version], namespace: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the columns whose origin is known: by their content, or by the text of the slice."""
    written = writes(repository.code(version))
    columns = {
        name: {each.name: str(each.digest) for each in table.value.columns}
        for name, table in tables.items()
    }
    for column in version.value.columns:
        same = from_parent(column.name, column.digest, columns)
        found = [(*same, "IDENTITY")] if same else list(_by_text(column.name, written, columns))
        if found:
            yield (
                column.name,
                {
                    "inputFields": [
                        {
                            "namespace": namespace,
                            "name": parent,
                            "field": field,
                            "transformations": [{"type": "DIRECT", "subtype": kind}],
                        }
                        for parent, field, kind in found
                    ]
                },
            )


def _by_text(
    name: str, written: list[Write], columns: dict[str, dict[str, str]]
) -> Iterator[tuple[str, str, str]]:
    known = frozenset(column for each in columns.values() for column in each)
    for source in sorted(sources(name, written, known)):
        parent = next(parent for parent, each in columns.items() if source in each)
        yield parent, source, "TRANSFORMATION"

"""A notebook as it is on disk → as git is to have it: without outputs, with links to artifacts."""

from __future__ import annotations

import json
import re
from typing import Any

LINK = re.compile(r"<Artifact (.+?@v\d+): ")


def clean(text: str) -> str:
    """Take outputs and execution counts out; note in each cell which artifacts it showed.

    What isn't a notebook is given back as it is. The same notebook always gives the same text.
    """
    try:
        notebook = json.loads(text)
        cells = notebook["cells"]
        for cell in cells:
            if cell.get("cell_type") == "code":
                clean_cell(cell)
    except (ValueError, KeyError, TypeError, AttributeError):
        return text
    return json.dumps(notebook, ensure_ascii=False, indent=indent_of(text)) + "\n"


def clean_cell(cell: dict[str, Any]) -> None:
    links = sorted({link for output in cell.get("outputs", []) for link in links_of(output)})
    cell["outputs"] = []
    cell["execution_count"] = None
    metadata = cell.setdefault("metadata", {})
    metadata.pop("execution", None)
    if links:
        metadata["linea"] = {"artifacts": links}


def links_of(output: dict[str, Any]) -> list[str]:
    data = output.get("data", {})
    texts = [data.get("text/plain", ""), output.get("text", "")]
    joined = "\n".join("".join(text) if isinstance(text, list) else str(text) for text in texts)
    return LINK.findall(joined)


def indent_of(text: str) -> int:
    """As many spaces as the file has: Jupyter writes one."""
    found = re.search(r"\{\n( +)\S", text)
    return len(found[1]) if found else 1

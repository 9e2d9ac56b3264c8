"""A version, its code and its preview → what a notebook shows of it."""

from __future__ import annotations

from base64 import b64encode
from html import escape

from linea.model import Preview, Version

SHOWN = 12
"""Lines of code that are shown at once; more are folded."""

PREVIEWED = 14
"""Lines of a preview that are shown."""

_CELL = "style='text-align:left;vertical-align:top'"
_PRE = "style='margin:0.3em 0;padding-left:0.8em;border-left:2px solid rgba(128,128,128,0.4)'"


def card(version: Version, code: str, preview: Preview | None) -> str:
    """HTML: what it is, what it came from and what to know of it, the value in small, the code."""
    rows = "".join(
        f"<tr><th {_CELL}>{label}</th><td {_CELL}>{escape(text)}</td></tr>"
        for label, text in facts(version).items()
        if text
    )
    head = f"<b>{escape(version.revision)}</b>"
    return f"<div>{head}<table>{rows}</table>{_small(preview)}{_folded(code)}</div>"


def facts(version: Version) -> dict[str, str]:
    """What is said of a version, by label."""
    rests = [*(f"{p.name}@v{p.number}" for p in version.parents), *(i.path for i in version.inputs)]
    return {
        "value": str(version.value.summary.get("text", version.value.type)),
        "made": f"{version.created:%Y-%m-%d %H:%M} by {version.author.partition(' <')[0]}",
        "message": version.message or "",
        "from": ", ".join(rests),
        "code may hold more than it needs": "; ".join(version.conservative),
        "won't come out the same again": "; ".join(version.unreproducible),
        "commit": version.commit[:10],
    }


def _small(preview: Preview | None) -> str:
    if preview is None:
        return ""
    if preview.mime == "image/png":
        data = b64encode(preview.data).decode()
        return f"<img src='data:image/png;base64,{data}' style='max-width:100%;max-height:320px'>"
    if preview.mime != "text/plain":
        return ""  # others' HTML isn't to be trusted
    lines = preview.data.decode("utf-8", "replace").splitlines()
    more = ["…"] if len(lines) > PREVIEWED else []
    return f"<pre {_PRE}>{escape(chr(10).join([*lines[:PREVIEWED], *more]))}</pre>"


def _folded(code: str) -> str:
    lines = code.count("\n")
    is_open = " open" if lines <= SHOWN else ""
    count = "1 line" if lines == 1 else f"{lines} lines"
    return (
        f"<details{is_open}><summary>the code that made it, {count}</summary>"
        f"<pre {_PRE}>{escape(code)}</pre></details>"
    )

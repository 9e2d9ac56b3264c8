"""Version control for results: what made them, what they are, what they rest on.

Importing `linea` loads nothing heavy: each public name is loaded when it is first used (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Artifact": "linea.api",
    "Pipeline": "linea.production",
    "artifact_store": "linea.api",
    "blame": "linea.api",
    "checkout": "linea.api",
    "create_pipeline": "linea.production",
    "db": "linea.outside",
    "delete": "linea.api",
    "diff": "linea.api",
    "file_system": "linea.outside",
    "get": "linea.api",
    "get_function": "linea.production",
    "get_module": "linea.production",
    "get_module_definition": "linea.production",
    "get_pipeline": "linea.production",
    "log": "linea.api",
    "pause": "linea.api",
    "resume": "linea.api",
    "save": "linea.api",
    "saving": "linea.api",
    "slice": "linea.api",
    "status": "linea.api",
    "to_pipeline": "linea.production",
    "verify": "linea.api",
    "why": "linea.api",
    "LineaError": "linea.errors",
}

__all__ = [  # noqa: PLE0604 - the names of a dictionary are texts
    "__version__",
    *_PUBLIC,
]

if TYPE_CHECKING:
    from linea.api import (
        Artifact,
        artifact_store,
        blame,
        checkout,
        delete,
        diff,
        get,
        log,
        pause,
        resume,
        save,
        saving,
        slice,
        status,
        verify,
        why,
    )
    from linea.errors import LineaError
    from linea.outside import db, file_system
    from linea.production import (
        Pipeline,
        create_pipeline,
        get_function,
        get_module,
        get_module_definition,
        get_pipeline,
        to_pipeline,
    )


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module 'linea' has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """Start watching an IPython session: `%load_ext linea`."""
    from linea import api

    api.watch_ipython(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Stop watching: `%unload_ext linea`."""
    from linea import api

    api.unwatch_ipython(shell)


def _watch_script() -> None:
    """Take over a plain script that has just begun to import linea (see `watching.take_over`)."""
    import os
    import sys

    main = sys.modules.get("__main__")
    if os.environ.get("LINEA_WATCH") != "0" and "IPython" in sys.modules:
        _watch_cell(sys.modules["IPython"])
    file = getattr(main, "__file__", None)
    if not isinstance(file, str) or os.environ.get("LINEA_WATCH") == "0":
        return
    if sys.gettrace() is not None or sys.flags.interactive or "IPython" in sys.modules:
        return
    frame = _importer()
    if (
        frame.f_globals is not vars(main)
        or frame.f_code.co_name != "<module>"
        or frame.f_code.co_filename != file
        or not file.endswith(".py")
    ):
        return
    from linea import watching

    watching.take_over(frame)


def _importer() -> Any:
    """The frame that imports linea."""
    import sys

    frame = sys._getframe(1)
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith("<frozen") or frame.f_code.co_filename == __file__
    ):
        frame = frame.f_back
    return frame


def _watch_cell(ipython: Any) -> None:
    """Start watching an IPython session in a cell of which linea is imported."""
    shell = ipython.get_ipython()
    frame = _importer()
    if shell is not None and frame.f_globals is shell.user_ns:
        from linea import api

        api.watch_cell(frame)


_watch_script()

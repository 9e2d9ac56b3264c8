"""The user's profilers and trace functions → set aside while linea works, and put back.

What is called here is wrapped in `partial`: a call of a wrapped builtin tells a profiler nothing,
where a call of the builtin itself, or of a function of ours, would show.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

trace_function = partial(sys.gettrace)
profiler = partial(sys.getprofile)
stop_tracing = partial(sys.settrace, None)
stop_profiling = partial(sys.setprofile, None)

PutBack = list[Callable[[], Any]]

monitor: Callable[[], Any]
"""The profiler that uses `sys.monitoring`, as cProfile does from Python 3.12 on."""
monitored: Callable[[], Any]
stop_monitoring: Callable[[], Any]

_monitoring: Any = getattr(sys, "monitoring", None)
if _monitoring is not None:
    monitor = partial(_monitoring.get_tool, _monitoring.PROFILER_ID)
    monitored = partial(_monitoring.get_events, _monitoring.PROFILER_ID)
    stop_monitoring = partial(_monitoring.set_events, _monitoring.PROFILER_ID, 0)
else:
    monitor = monitored = stop_monitoring = partial(dict[str, Any]().get, "")


def put_back(trace: Any, profile: Any, events: int | None) -> PutBack:
    """Calls that switch on again what was switched off."""
    found: PutBack = []
    if events:
        found.append(partial(_monitoring.set_events, _monitoring.PROFILER_ID, events))
    if profile is not None:
        # The profiler in C isn't called: it has to be enabled.
        found.append(partial(sys.setprofile, profile) if callable(profile) else profile.enable)
    if trace is not None:
        _skip_linea(trace)
        found.append(partial(sys.settrace, trace))
    return found


def _skip_linea(trace: Any) -> None:
    """Have a debugger not stop in linea on its way from one statement to the next."""
    debugger: Any = getattr(trace, "__self__", None)
    if any(c.__module__ == "bdb" and c.__name__ == "Bdb" for c in type(debugger).__mro__):
        debugger.skip = {*(debugger.skip or ()), "linea", "linea.*", "runpy"}

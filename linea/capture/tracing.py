"""The user's profilers and trace functions → set aside while linea works, and put back.

What is called here is wrapped in `partial`: a call of a wrapped builtin tells a profiler nothing,
where a call of the builtin itself, or of a function of ours, would show.
"""

from __future__ import annotations

import sys
import types
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
        _skip_linea(getattr(trace, "__self__", None))
        found.append(partial(sys.settrace, trace))
    return found


def prepare(source: str, runner: types.CodeType) -> None:
    """Before a statement: have debuggers go from it to the next as within one piece of code.

    Each is a frame of its own, that `runner` calls; a debugger would stop as it is called and
    as it returns, and show what lies below.
    """
    bdb: Any = sys.modules.get("bdb")
    if bdb is None:
        if "breakpoint" not in source and "set_trace" not in source:
            return
        import bdb
    if bdb.Bdb.dispatch_call.__module__ == __name__:
        return
    call, leave, stack = bdb.Bdb.dispatch_call, bdb.Bdb.dispatch_return, bdb.Bdb.get_stack

    def is_statement(frame: types.FrameType) -> bool:
        return frame.f_back is not None and frame.f_back.f_code is runner

    def dispatch_call(self: Any, frame: types.FrameType, arg: Any) -> Any:
        if self.botframe is None or not is_statement(frame):
            return call(self, frame, arg)
        return self.trace_dispatch if self.stop_here(frame) or self.break_anywhere(frame) else None

    def dispatch_return(self: Any, frame: types.FrameType, arg: Any) -> Any:
        if is_statement(frame) and not self.quitting and self.stop_here(frame):
            _skip_linea(self)
            self.set_step()
            return self.trace_dispatch
        return leave(self, frame, arg)

    def get_stack(self: Any, frame: Any, trace: Any) -> tuple[list[Any], int]:
        frames, current = stack(self, frame, trace)
        below = max((i for i, (f, _) in enumerate(frames) if f.f_code is runner), default=-1) + 1
        if below == len(frames):
            return frames, current
        return frames[below:], max(current - below, 0)

    bdb.Bdb.dispatch_call, bdb.Bdb.dispatch_return = dispatch_call, dispatch_return
    bdb.Bdb.get_stack = get_stack


def _skip_linea(debugger: Any) -> None:
    """Have a debugger not stop in linea on its way from one statement to the next."""
    if any(c.__module__ == "bdb" and c.__name__ == "Bdb" for c in type(debugger).__mro__):
        debugger.skip = {*(debugger.skip or ()), "linea", "linea.*", "runpy"}

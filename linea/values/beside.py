"""Tasks → their results in order, worked on beside the thread that prepares them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

MOST = 4
"""Threads at most: what they share is one memory."""


def results(tasks: Iterable[Callable[[], T]]) -> Iterator[T]:
    """Yield what tasks return, in order.

    A few are taken ahead and run in threads, which end with the iteration. What is done to get a
    task is done in the caller's thread, one at a time.
    """
    threads = min(MOST, _processors() - 1)
    if threads < 1:
        yield from (task() for task in tasks)
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    running: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="linea") as pool:
        try:
            for task in tasks:
                try:
                    running.append(pool.submit(task))
                except RuntimeError:  # Python is ending and starts no threads
                    while running:
                        yield running.popleft().result()
                    yield task()
                if len(running) > threads:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for each in running:
                each.cancel()


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

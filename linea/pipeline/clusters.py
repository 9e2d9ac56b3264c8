"""Where the processes of tasks run: on this machine, or on the workers of a Ray or Dask cluster.

On a cluster the store, the run's folder and the project must lie where all machines see them,
and linea must be installed on each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from linea.errors import PipelineError
from linea.pipeline.worker import launch


class ClusterError(PipelineError):
    """A worker of the cluster was lost, or the cluster can't be reached."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Starts the process of a request and tells its exit status when it has ended."""

    submit: Callable[[str], Future[int]]
    width: int
    """How many run at a time."""


@contextmanager
def executor(on: str, jobs: int) -> Iterator[Pool]:
    """Give the pool that `on` names: `local`, `ray://HOST:PORT`, `dask://HOST:PORT`.

    Without a host, a cluster is started on this machine.
    """
    scheme, _, address = on.partition("://")
    if scheme == "local" and not address:
        with ThreadPoolExecutor(max(1, jobs)) as threads:
            yield Pool(lambda request: threads.submit(launch, request), max(1, jobs))
    elif scheme == "ray":
        with ray_pool(address, jobs) as pool:
            yield pool
    elif scheme == "dask":
        with dask_pool(address, jobs) as pool:
            yield pool
    else:
        raise PipelineError(
            f"tasks can't run on {on!r}", hint="local, ray://HOST:PORT or dask://HOST:PORT"
        )


@contextmanager
def ray_pool(address: str, jobs: int) -> Iterator[Pool]:
    try:
        import ray
    except ImportError:
        raise PipelineError("Ray isn't installed here", hint="pip install ray") from None
    try:
        ray.init(address=f"ray://{address}" if address else None, include_dashboard=False)
    except (ConnectionError, RuntimeError) as error:
        raise ClusterError(f"no Ray cluster answers at {address}: {error}") from None
    remote = ray.remote(launch)

    def wait_for(request: str) -> int:
        try:
            return int(ray.get(remote.remote(request)))
        except ray.exceptions.RayError as error:
            raise ClusterError(f"the Ray worker was lost: {error}") from error

    try:
        width = max(jobs, int(ray.cluster_resources().get("CPU", 1)))
        with ThreadPoolExecutor(width) as threads:
            yield Pool(lambda request: threads.submit(wait_for, request), width)
    finally:
        ray.shutdown()


@contextmanager
def dask_pool(address: str, jobs: int) -> Iterator[Pool]:
    try:
        from distributed import Client
    except ImportError:
        raise PipelineError(
            "Dask isn't installed here", hint="pip install 'dask[distributed]'"
        ) from None
    local: dict[str, Any] = {} if address else {"dashboard_address": None}
    try:
        client = Client(f"tcp://{address}" if address else None, **local)
    except OSError as error:
        raise ClusterError(f"no Dask scheduler answers at {address}: {error}") from None

    def wait_for(request: str) -> int:
        try:
            return int(client.submit(launch, request, pure=False).result())
        except Exception as error:  # whatever a worker died of
            raise ClusterError(f"the Dask worker gave nothing: {error}") from error

    with client:
        width = max(jobs, sum(client.nthreads().values()))
        with ThreadPoolExecutor(width) as threads:
            yield Pool(lambda request: threads.submit(wait_for, request), width)

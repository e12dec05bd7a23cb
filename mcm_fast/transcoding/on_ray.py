"""A job on a cluster: an actor for each core (or GPU) does piece after piece.

Source and target are folders that every machine sees. An actor that dies is started again by Ray,
and its piece with it: a piece's files appear whole, under the same names, with the same bytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from .job import Facts, Job
from .sources import Piece


def run_on_ray(job: Job, actors: int = 0) -> Iterator[Facts]:
    """The job's lines of the manifest as its pieces get done, those of earlier runs left out.

    Needs `ray.init` before. `actors`: how many, 0 for one a core, or one a GPU where the job's
    device is one. Raises what a piece raises.
    """
    import ray

    on_gpu = job.work.device.startswith("cuda")
    count = actors or int(ray.cluster_resources().get("GPU" if on_gpu else "CPU", 1))
    share = {"num_gpus": 1} if on_gpu else {"num_cpus": 1}
    make: Any = ray.remote(max_restarts=-1, max_task_retries=-1, **share)(Worker)
    with job.opened():
        left = job.left
        workers = [make.remote(job) for _ in range(max(1, min(count, len(left))))]
        under_way = {}
        queue = iter(left)
        for piece, worker in zip(itertools.islice(queue, len(workers)), workers, strict=False):
            under_way[worker.do.remote(piece)] = worker
        while under_way:
            (done,), _ = ray.wait(list(under_way))
            worker = under_way.pop(done)
            yield from ray.get(done)
            for piece in itertools.islice(queue, 1):
                under_way[worker.do.remote(piece)] = worker
        job.end()


class Worker:
    """What an actor is: the model is loaded with its first picture, and kept."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def do(self, piece: Piece) -> list[Facts]:
        if self.job.part(piece).exists():  # done by an actor that died before it could say so
            return self.job.facts_of(piece)
        return self.job.do(piece)

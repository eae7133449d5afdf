"""Four threads place jobs on 10,000 hosts and end them, each with a view and a worker of its own.

    python scheduler.py [hosts] [threads] [seconds]
"""

import random
import sys
import threading
import time
import uuid
from collections import deque

from provider_tree import GaveUp, Placed, ProviderTree, Request

#: What jobs ask for. Each thread prepares each once: that is what makes searches fast.
SHAPES = [
    Request({"VCPU": 2, "MEMORY_MB": 4_096}),
    Request({"VCPU": 8, "MEMORY_MB": 32_768}),
    Request({"VCPU": 4, "MEMORY_MB": 16_384}, required=["HW_CPU_X86_AVX2"]),
]

#: So many jobs come at once. While a thread places them, others run Python.
AT_ONCE = 50


def build(hosts: int) -> ProviderTree:
    """Creates all hosts in one call."""
    tree = ProviderTree()
    tree.populate(
        {
            "uuid": uuid.uuid4(),
            "name": f"host-{number}",
            "inventories": {"VCPU": {"total": 64, "allocation_ratio": 2.0}, "MEMORY_MB": 262_144},
            "traits": ["HW_CPU_X86_AVX2"] if number % 2 else [],
        }
        for number in range(hosts)
    )
    return tree


class Scheduler(threading.Thread):
    """Places and ends jobs until it is told to stop."""

    def __init__(self, tree: ProviderTree, number: int, threads: int, stop: threading.Event) -> None:
        super().__init__(name=f"scheduler-{number}")
        self.tree, self.part, self.stop = tree, (number, threads), stop
        self.running: deque[list[Placed]] = deque()
        self.placed = self.ended = self.refused = 0

    def run(self) -> None:
        view = self.tree.view()
        shapes = [view.prepare(request) for request in SHAPES]
        chance = random.Random(self.name)
        with self.tree.worker() as worker:
            while not self.stop.is_set():
                # Each thread begins in a part of its own: threads that all begin at the first host meet there.
                try:
                    jobs = view.place_each(worker, chance.choice(shapes), AT_ONCE, part=self.part)
                except GaveUp as end:
                    # Other threads were faster each time, and the view has learned what they took.
                    self.refused += end.refusals
                    continue
                self.placed += len(jobs)
                self.refused += sum(job.refusals for job in jobs)
                self.running.append(jobs)
                if len(self.running) > 40 or len(jobs) < AT_ONCE:
                    self.ended += view.release_each(worker, self.running.popleft())


def main(hosts: int = 10_000, threads: int = 4, seconds: float = 5.0) -> None:
    began = time.perf_counter()
    tree = build(hosts)
    print(f"{hosts} hosts built in {time.perf_counter() - began:.2f} s")

    stop = threading.Event()
    schedulers = [Scheduler(tree, number, threads, stop) for number in range(threads)]
    for scheduler in schedulers:
        scheduler.start()
    time.sleep(seconds)
    stop.set()
    for scheduler in schedulers:
        scheduler.join()

    placed = sum(scheduler.placed for scheduler in schedulers)
    ended = sum(scheduler.ended for scheduler in schedulers)
    refused = sum(scheduler.refused for scheduler in schedulers)
    print(f"{placed / seconds:,.0f} jobs placed and {ended / seconds:,.0f} ended a second by {threads} threads")
    print(f"{refused} claims refused since another thread was faster")

    # Everything that is used is what some job holds, on every host, whatever the threads did.
    audit = tree.snapshot().audit()
    assert not audit["differences"] and not audit["overcommitted"]
    assert audit["consumers"] == placed - ended
    print(f"audit: {audit['providers']} hosts and {audit['consumers']} jobs add up")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(*map(int, given[:2]), *map(float, given[2:3]))

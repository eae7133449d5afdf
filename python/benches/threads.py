"""What do several Python threads gain?

    python benches/threads.py [--brief]

Calls per second of all threads together, with 1, 2 and 4 threads that start at once: of Nova's own class, which
has one lock for the process; of `provider_tree.nova`, which has none, but keeps the interpreter's; and of the
native interface, where short calls keep the interpreter's lock and long ones release it. Beside each rate stands
how many processors the process had.
"""

from __future__ import annotations

import argparse
import threading
import time

from beside_nova import Shape, originals
from timing import table

from provider_tree import Claim, ProviderTree, Request
from provider_tree.nova import tree as ours

THREADS = (1, 2, 4)


class Hosts:
    """A native forest of hosts, each with 64 VCPUs."""

    def __init__(self, count):
        self.tree = ProviderTree()
        rows = [
            {"uuid": f"00000000-0000-4000-8000-{number:012x}", "name": f"host-{number}", "inventories": {"VCPU": 64}}
            for number in range(count)
        ]
        self.hosts = self.tree.populate(rows)

    def claiming(self, thread):
        """Claims and releases, call by call, with the interpreter's lock."""
        worker, claim = self.tree.worker(), Claim({self.hosts[thread]: {"VCPU": 4}})

        def call():
            worker.release(worker.claim(claim))

        return call, 1

    def placing(self, thread):
        """Places 200 and releases them, in two calls that release the interpreter's lock."""
        worker, view = self.tree.worker(), self.tree.view()
        request = view.prepare(Request({"VCPU": 4}))

        def call():
            placed = view.place_each(worker, request, 200, seed=thread)
            view.release_each(worker, placed)

        return call, 200

    def auditing(self, thread):
        """Audits a snapshot, with the interpreter's lock released."""

        def call():
            self.tree.snapshot().audit()

        return call, 1

    def refreshing(self, thread):
        """Makes a view of all hosts, with the interpreter's lock released."""

        def call():
            self.tree.view()

        return call, 1


def of_nova(module, shape):
    """Returns what is called of a tree of Nova's: a read, and a change."""
    tree = shape.build(module)
    leaves = shape.leaves

    def reading(thread):
        numbers = iter(range(thread * 1000, 1 << 60))
        return lambda: tree.data(leaves[next(numbers) * 7919 % len(leaves)]), 1

    def changing(thread):
        numbers = iter(range(thread * 1000, 1 << 60))

        def call():
            number = next(numbers)
            tree.update_inventory(leaves[number * 7919 % len(leaves)], {"VCPU": {"total": number % 1024 + 1}})

        return call, 1

    return {"data(leaf uuid)": reading, "update_inventory(leaf), changed": changing}


def rate(make, threads, seconds):
    """Returns calls per second of so many threads, and how many processors they had."""
    start = threading.Barrier(threads + 1)
    calls = [0] * threads
    end = [0.0]

    def run(thread):
        call, counts = make(thread)
        start.wait()
        made = 0
        while time.perf_counter() < end[0]:
            for _ in range(10 if counts == 1 else 1):
                call()
                made += counts
        calls[thread] = made

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    end[0] = time.perf_counter() + 3600
    start.wait()
    begin, begin_processor = time.perf_counter(), time.process_time()
    end[0] = begin + seconds
    for thread in running:
        thread.join()
    passed = time.perf_counter() - begin
    return sum(calls) / passed, (time.process_time() - begin_processor) / passed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brief", action="store_true", help="for an instant, on small forests")
    brief = parser.parse_args().brief
    seconds, size, rounds = (0.01, 50, 1) if brief else (0.5, 10_000, 5)
    hosts, shape = Hosts(size), Shape(1, size)
    original = originals()
    subjects = {}
    if original is not None:
        subjects |= {f"Nova: {name}": make for name, make in of_nova(original, shape).items()}
    subjects |= {f"provider_tree.nova: {name}": make for name, make in of_nova(ours, shape).items()}
    subjects |= {
        "native: claim and release, lock kept": hosts.claiming,
        "native: place_each and release_each of 200, released": hosts.placing,
        f"native: audit of {size:,} hosts, released": hosts.auditing,
        f"native: a view of {size:,} hosts, released": hosts.refreshing,
    }
    rows = []
    for name, make in subjects.items():
        # Rounds in turn, so that each number of threads meets the same conditions.
        rates = {threads: [] for threads in THREADS}
        for _ in range(rounds):
            for threads in THREADS:
                rates[threads].append(rate(make, threads, seconds))
        row = [name]
        for threads in THREADS:
            calls, processors = sorted(rates[threads])[rounds // 2]
            row.append(f"{calls:,.0f} ({processors:.2f})")
        rows.append(row)
    print("calls per second, the median of the rounds, and in brackets how many processors the process had")
    print(table(["", *(f"{threads} thread{'s' * (threads > 1)}" for threads in THREADS)], rows))


if __name__ == "__main__":
    main()

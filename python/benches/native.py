"""What do the native calls cost that schedulers make again and again?

    python benches/native.py [--brief]

Microseconds per call on 10,000 hosts, the least of some rounds, on the clock and of the processor.
"""

from __future__ import annotations

import argparse
import uuid

import numpy
from timing import per_call, shown, table

from provider_tree import Claim, ProviderTree, Request

#: What a call may take at most, in microseconds, on 10,000 hosts.
FLOORS = {
    "claim and release": 3,
    "ten candidates": 40,
    "a NumPy score over two columns": 40,
}


def calls(hosts):
    """Returns what is timed, by name: each takes a number."""
    tree = ProviderTree()
    rows = [
        {
            "uuid": str(uuid.UUID(int=number + 1)),
            "name": f"host-{number}",
            "inventories": {"VCPU": 32 + number % 64, "MEMORY_MB": 65_536 + number % 1024},
        }
        for number in range(hosts)
    ]
    providers = tree.populate(rows)
    worker, view = tree.worker(), tree.view()
    unnamed = Claim({providers[0]: {"VCPU": 4, "MEMORY_MB": 1024}})
    one = Claim({providers[0]: {"VCPU": 4}})
    named = Claim({providers[0]: {"VCPU": 4}}, consumer=uuid.UUID(int=7))
    request = Request({"VCPU": 4, "MEMORY_MB": 1024})
    prepared = view.prepare(request)
    update = iter(range(1 << 60))

    def score(number):
        free = numpy.asarray(view.free("VCPU"))
        memory = numpy.asarray(view.free("MEMORY_MB"))
        return numpy.argmin(free * 1024 + memory)

    def choose(number):
        return view.candidates(prepared, root=int(score(number)), limit=1)

    def configure(number):
        tree.configure(providers[number * 7919 % hosts], update_inventories={"VCPU": 128 + next(update) % 64})

    return {
        "claim and release": lambda number: worker.release(worker.claim(one)),
        "claim and release, two classes": lambda number: worker.release(worker.claim(unnamed)),
        "claim and release of a named consumer": lambda number: worker.release(worker.claim(named)),
        "ten candidates": lambda number: view.candidates(prepared, limit=10),
        "a NumPy score over two columns": score,
        "the same, and the candidate of the best": choose,
        "the ten best by a NumPy score": lambda number: view.best(
            prepared, 10, numpy.asarray(view.free("VCPU"))
        ),
        "place and release": lambda number: view.released(
            _released(worker, view.place(worker, prepared, seed=number))
        ),
        "find by uuid": lambda number: tree.find(rows[number * 7919 % hosts]["uuid"]),
        "find by name": lambda number: tree.find(rows[number * 7919 % hosts]["name"]),
        "usage": lambda number: tree.usage(providers[number * 7919 % hosts], "VCPU"),
        "configuration": lambda number: tree.configuration(providers[number * 7919 % hosts]),
        "configure": configure,
        "a snapshot": lambda number: tree.snapshot(),
        "its dump, as dicts": lambda number: tree.snapshot().dump(),
        "a view": lambda number: tree.view(),
    }


def _released(worker, placed):
    worker.release(placed.receipt)
    return placed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brief", action="store_true", help="each call a few times, on a small forest")
    brief = parser.parse_args().brief
    hosts, seconds, rounds = (50, 0.002, 2) if brief else (10_000, 1.0, 7)
    rows = []
    for name, call in calls(hosts).items():
        wall, processor = per_call(call, seconds, rounds)
        floor = shown(FLOORS[name]) if name in FLOORS else "-"
        rows.append([name, shown(wall), shown(processor), floor])
    print(table([f"{hosts:,} hosts", "time", "processor time", "floor"], rows))


if __name__ == "__main__":
    main()

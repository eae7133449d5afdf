"""What `mypy --strict` has to accept of a scheduler's code; nothing runs this file."""

import uuid
from typing import Literal

import numpy as np

from provider_tree import (
    Candidate,
    Claim,
    Eviction,
    Feed,
    Group,
    NothingFits,
    Placed,
    Prepared,
    Provider,
    ProviderTree,
    Receipt,
    Request,
    Snapshot,
    View,
    Worker,
)


def find(view: View, order: Literal["first", "tightest"] = "tightest") -> list[tuple[Provider, str, int]]:
    request = Request(
        {"VCPU": 4},
        required=["HW_CPU_X86_AVX2"],
        member_of=[[uuid.uuid4(), "5f0c3e9a-1a2b-4c3d-8e4f-5a6b7c8d9e0f"]],
        groups={"gpu": Group({"PGPU": 1}, any_of=[["CUSTOM_A", "CUSTOM_B"]])},
        limit=10,
    )
    prepared: Prepared = view.prepare(request)
    first: Candidate | None = next(iter(view.candidates(prepared, limit=1, order=order, part=(0, 4))), None)
    return [] if first is None else first.lines


def best(view: View, request: Request) -> Provider | None:
    scores = np.asarray(view.free("VCPU")) * np.float64(-1)
    for candidate in view.best(request, 1, scores):
        return candidate.root
    roots: list[Provider | None] = view.roots()
    return roots[0]


def place(tree: ProviderTree, view: View, worker: Worker, prepared: Prepared) -> Receipt | None:
    try:
        placed: Placed = view.place(worker, prepared, Claim(tag=5), seed=7)
    except NothingFits as error:
        refusals: int = error.refusals
        print(refusals)
        eviction: Eviction | None = view.evict(prepared, lambda consumer, tag: tag if tag < 5 else None)
        if eviction is None:
            eviction = view.evict(prepared, below=5)
        return worker.commit(eviction.batch(uuid.uuid4()))[-1] if eviction else None
    many: list[Placed] = view.place_each(worker, prepared, 100)
    count: int = view.release_each(worker, many)
    print(count, placed.candidate.root.uuid)
    worker.release(placed.receipt)
    view.released(placed)
    return placed.receipt


def follow(tree: ProviderTree) -> int:
    before: Snapshot = tree.snapshot()
    feed: Feed = tree.subscribe(before, bound=100_000)
    for changes in feed:
        return len(changes["providers"])
    fork = before.fork()
    fork.claim(Claim({tree["host-1"]: {"VCPU": 4}}, consumer=uuid.uuid4()))
    tree.worker().commit(fork.to_batch(if_unchanged=True))
    return ProviderTree.load(before.dump()).snapshot().audit()["providers"] or 0

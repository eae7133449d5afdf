"""The claims interface as a type checker sees it. `mypy --strict` takes this file; nobody runs it.

What a checker has to refuse is marked: with `warn_unused_ignores`, a mark that it does not need is an error.
"""

import copy
from uuid import UUID, uuid4

from provider_tree import (
    Allocations,
    Batch,
    CapacityExceeded,
    Claim,
    Configuration,
    Conflict,
    Expect,
    Issued,
    Lease,
    Partial,
    Provider,
    ProviderTree,
    ProviderTreeError,
    Receipt,
    TooFewFit,
    Updated,
    Usage,
    Worker,
)
from provider_tree.types import Amounts, Consumer, Inventories


def build(tree: ProviderTree) -> Provider:
    host: Provider = tree.create_root("host-1", uuid4())
    inventories: Inventories = {"VCPU": 16, "MEMORY_MB": {"total": 64, "allocation_ratio": 1.5}}
    updated: Updated = tree.configure(host, inventories=inventories, expect=Expect.ANY)
    if updated:
        print(updated.generation + 1)
    by_provider: dict[Provider, Usage] = {host: tree.usage(host, "VCPU")}
    print(by_provider[host].free // 2, tree.configuration(host).name.upper())
    return host


def claim(tree: ProviderTree, host: Provider, consumer: Consumer) -> Claim:
    amounts: Amounts = {"VCPU": 4}
    claim = Claim({host: amounts}, consumer=consumer, tag=7, generations={host: 1})
    claim = claim.take(host, "VCPU", 1).take_with_ancestors(host, "VCPU", 1)
    claim = claim.require_generation(host, 1).with_tag(8).for_consumer(uuid4())
    other: Claim = copy.copy(claim)
    lines: list[tuple[Provider, str, int]] = other.amounts
    name: str | None = other.consumer
    tag: int | None = other.tag
    print(lines, name, tag)
    return claim


def work(worker: Worker, claim: Claim, host: Provider) -> Receipt:
    try:
        receipt: Receipt = worker.claim(claim)
    except CapacityExceeded as error:
        wanted: int = error.requested - error.free
        print(error.provider, error.resource_class, wanted)
        raise
    except TooFewFit as error:
        for position, reason in error.refused:
            print(position + 1, reason.args)
        raise
    except Conflict as error:
        print(error)
        raise
    receipt = worker.replace(claim, receipt.generation)
    receipt = worker.replace(claim, expect=Expect.generation(3))
    for consumer in (receipt, receipt.consumer, UUID(receipt.consumer)):
        worker.release(consumer)
    worker.take(host, {"VCPU": 1})
    worker.put_back(host, {"VCPU": 1})
    configuration: Configuration = worker.configuration(host)
    print(configuration.generation, worker.metrics()["claims"])

    partial: Partial = worker.claim_partly(claim)
    reasons: list[tuple[int, ProviderTreeError]] = partial.refused
    print(partial.receipt, reasons)
    for member in worker.claim_gang([claim, claim], at_least=1):
        match member:
            case Receipt():
                print(member.generation)
            case ProviderTreeError():
                print(member.args)
    return receipt


def lease(tree: ProviderTree, worker: Worker, claim: Claim) -> int | None:
    lease: Lease = worker.lease(claim, deadline=100)
    receipts: list[Receipt] = [
        worker.renew(lease, deadline=200, now=50),
        worker.confirm(lease, now=60),
        worker.cancel(lease),
        *worker.expire(300),
    ]
    again: Lease | None = tree.lease_of(lease)
    print(receipts, again, lease.receipt.consumer)
    held: Allocations | None = tree.allocations(lease)
    if held is None:
        return None
    amounts: dict[str, dict[str, int]] = held.amounts
    print(amounts, held.claim(), held.tag + held.generation)
    return held.deadline


def batch(tree: ProviderTree, worker: Worker, claim: Claim, host: Provider) -> list[Receipt]:
    with tree.issue() as issued:
        named: Issued = issued
        claim.for_consumer(named)
    batch = Batch().claim(claim).replace(claim, 3).release("x", expect=Expect.KEEP)
    made: Provider = batch.create({"uuid": uuid4(), "name": "host-2"})
    batch.cordon(made).uncordon(host).configure(host, add_traits={"CUSTOM_X"}, expect=1)
    batch.reparent(host, None).remove(host)
    return worker.commit(batch)


def wrong(tree: ProviderTree, host: Provider, worker: Worker, receipt: Receipt) -> None:
    Claim({"host-1": {"VCPU": 4}})  # type: ignore[dict-item]
    Claim({host: {"VCPU": "4"}})  # type: ignore[dict-item]
    Claim({host: {"VCPU": 4}}, "consumer")  # type: ignore[call-arg]
    Claim().take(host, 4, "VCPU")  # type: ignore[arg-type]
    worker.claim({host: {"VCPU": 4}})  # type: ignore[arg-type]
    worker.release(Claim())  # type: ignore[arg-type]
    worker.release(host)  # type: ignore[arg-type]
    worker.lease(Claim(), 1.5)  # type: ignore[arg-type]
    worker.confirm(receipt, 3)  # type: ignore[arg-type]
    worker.commit([Batch()])  # type: ignore[arg-type]
    worker.replace(Claim(), "3")  # type: ignore[arg-type]
    Batch().create({"uuid": uuid4(), "name": "x"}).claim(Claim())  # type: ignore[attr-defined]
    receipt.generation = 4  # type: ignore[misc]
    tree.configure(host, inventory={"VCPU": 4})  # type: ignore[call-arg]
    tree.allocations(receipt).amounts  # type: ignore[union-attr]

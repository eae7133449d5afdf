"""Claims: what workers give, hold and take back."""

import copy
import gc
import pickle
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from provider_tree import (
    AlreadyHeld,
    Allocations,
    Batch,
    CapacityExceeded,
    Claim,
    Conflict,
    ConsumerNotFound,
    GenerationConflict,
    InUseByAnotherThread,
    Lease,
    LeaseEnded,
    NotIssued,
    Provider,
    ProviderTree,
    Receipt,
    Request,
    TooFewFit,
    Unnamed,
    Worker,
)


@pytest.fixture
def tree() -> ProviderTree:
    return ProviderTree()


def host(tree: ProviderTree, name: str, **inventories: int) -> Provider:
    made = tree.create_root(name)
    tree.configure(made, inventories=inventories)
    return made


def used(tree: ProviderTree, provider: Provider) -> int:
    return tree.usage(provider, "VCPU").used


def test_a_claim_is_made_and_released(tree: ProviderTree) -> None:
    one, other = host(tree, "host-1", VCPU=8), host(tree, "host-2", VCPU=8, MEMORY_MB=1024)
    vm = uuid.uuid4()
    claim = Claim({one: {"VCPU": 4}, other: {"VCPU": 2, "MEMORY_MB": 512}}, consumer=vm, tag=70)
    with tree.worker() as worker:
        receipt = worker.claim(claim)
        assert (receipt.consumer, receipt.generation) == (str(vm), 1)
        held = tree.allocations(vm)
        assert held is not None
        assert held.amounts == {
            one.uuid: {"VCPU": 4},
            other.uuid: {"VCPU": 2, "MEMORY_MB": 512},
        }
        assert (held.consumer, held.generation, held.deadline, held.tag) == (str(vm), 1, None, 70)
        with pytest.raises(AlreadyHeld):
            worker.claim(claim)
        assert worker.release(receipt) == receipt
        assert tree.allocations(receipt) is None
        with pytest.raises(ConsumerNotFound):
            worker.release(vm)
    assert used(tree, one) == used(tree, other) == 0


def test_the_forest_names_consumers(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    claim = Claim({one: {"VCPU": 2}})
    assert claim.consumer is None
    with tree.worker() as worker:
        receipts = [worker.claim(claim) for _ in range(4)]
        assert len({receipt.consumer for receipt in receipts}) == 4
        with pytest.raises(CapacityExceeded) as caught:
            worker.claim(claim)
        refused = caught.value
        assert (refused.provider, refused.resource_class) == (one.uuid, "VCPU")
        assert (refused.requested, refused.free) == (2, 0)
        assert isinstance(refused, Conflict)
        for receipt in receipts:
            worker.release(receipt.consumer)
        with pytest.raises(Unnamed):
            worker.replace(claim)


def test_methods_of_a_claim_change_it_and_return_it(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    claim = Claim()
    assert claim.take(one, "VCPU", 1).take(one, "VCPU", 2) is claim
    assert claim.amounts == [(one, "VCPU", 1), (one, "VCPU", 2)]
    other = copy.copy(claim)
    assert claim.for_consumer(uuid.UUID(int=3)).with_tag(4) is claim
    assert (claim.consumer, claim.tag) == (str(uuid.UUID(int=3)), 4)
    assert (other.consumer, other.tag) == (None, None)
    assert other.amounts == claim.amounts
    with tree.worker() as worker:
        for number in range(2):
            worker.claim(claim.for_consumer(uuid.UUID(int=number)))
    assert used(tree, one) == 6


def test_a_claim_shows_what_it_asks_for(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    vm = uuid.uuid4()
    assert repr(Claim()) == "<Claim: nothing>"
    assert repr(Claim({one: {"VCPU": 4}}, consumer=vm)) == f"<Claim of {vm}: 4 VCPU of {one.uuid}>"
    claim = Claim(chains={one: {"VCPU": 2}}, generations={one: 3})
    assert "with ancestors 2 VCPU" in repr(claim) and "at generation 3" in repr(claim)
    for _ in range(20):
        claim.take(one, "VCPU", 1)
    assert "and 12 more" in repr(claim)


def test_a_claim_rests_on_a_generation(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    claim = Claim({one: {"VCPU": 1}}).require_generation(one, 1)
    with tree.worker() as worker:
        worker.claim(claim)
        tree.configure(one, add_traits=["CUSTOM_OLD"])
        with pytest.raises(GenerationConflict) as caught:
            worker.claim(claim)
        assert (caught.value.expected, caught.value.actual) == (1, 2)
        with pytest.raises(GenerationConflict):
            worker.claim(Claim({one: {"VCPU": 1}}, generations={one: 1}))


def test_a_quota_is_a_chain(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=64)
    organisation = host(tree, "quota: organisation", CUSTOM_QUOTA=10)
    team = tree.create_child(organisation, "quota: team")
    tree.configure(team, inventories={"CUSTOM_QUOTA": 8})
    claim = Claim({one: {"VCPU": 8}}).take_with_ancestors(team, "CUSTOM_QUOTA", 8)
    with tree.worker() as worker:
        receipt = worker.claim(claim)
        assert tree.usage(organisation, "CUSTOM_QUOTA").used == 8
        with pytest.raises(CapacityExceeded):
            worker.claim(Claim({one: {"VCPU": 8}}, chains={team: {"CUSTOM_QUOTA": 8}}))
        worker.release(receipt)
    assert tree.usage(organisation, "CUSTOM_QUOTA").used == 0


def test_a_consumer_moves(tree: ProviderTree) -> None:
    one, other = host(tree, "host-1", VCPU=8), host(tree, "host-2", VCPU=8)
    vm = str(uuid.uuid4())
    with tree.worker() as worker:
        before = worker.claim(Claim({one: {"VCPU": 6}}, consumer=vm))
        after = worker.replace(Claim({other: {"VCPU": 6}}, consumer=vm), before.generation)
        assert (used(tree, one), used(tree, other)) == (0, 6)
        assert after != before
        held = tree.allocations(vm)
        assert held is not None
        grown = held.claim()
        assert grown is not None
        worker.replace(grown.take(other, "VCPU", 1), expect=held.generation)
        assert used(tree, other) == 7


def test_amounts_are_taken_for_no_consumer(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    with tree.worker() as worker:
        worker.take(one, {"VCPU": 5})
        with pytest.raises(CapacityExceeded):
            worker.take(one, {"VCPU": 5})
        worker.put_back(one, {"VCPU": 5})
    assert used(tree, one) == 0


def test_as_much_as_fits(tree: ProviderTree) -> None:
    hosts = [host(tree, f"host-{n}", VCPU=n) for n in (8, 2, 6)]
    claim = Claim({it: {"VCPU": 4} for it in hosts})
    with tree.worker() as worker:
        made = worker.claim_partly(claim)
        [(position, error)] = made.refused
        assert position == 1 and isinstance(error, CapacityExceeded) and error.free == 2
        held = tree.allocations(made.receipt)
        assert held is not None and set(held.amounts) == {hosts[0].uuid, hosts[2].uuid}
        assert "1 refused" in repr(made)


def test_at_least_so_many_of_a_gang(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    gang = [Claim({one: {"VCPU": 3}}) for _ in range(4)]
    with tree.worker() as worker:
        with pytest.raises(TooFewFit) as caught:
            worker.claim_gang(gang, 3)
        assert (caught.value.fit, caught.value.at_least) == (2, 3)
        assert [position for position, _ in caught.value.refused] == [2, 3]
        assert used(tree, one) == 0
        made = worker.claim_gang(iter(gang), 2)
        kinds = [type(member) for member in made]
        assert kinds == [Receipt, Receipt, CapacityExceeded, CapacityExceeded]
        assert worker.claim_gang([], 0) == []


def test_a_lease_ends_unless_it_is_confirmed(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    claim = Claim({one: {"VCPU": 2}})
    with tree.worker() as worker:
        first, second, third = (worker.lease(claim, deadline) for deadline in (100, 200, 300))
        assert tree.next_deadline() == 100
        worker.confirm(second, 150)
        assert [ended.consumer for ended in worker.expire(150)] == [first.consumer]
        with pytest.raises(LeaseEnded):
            worker.confirm(first, now=150)
        worker.renew(third, deadline=400, now=200)
        assert worker.expire(300) == []
        again = tree.lease_of(third)
        assert again is not None and again.consumer == third.consumer
        held = tree.allocations(third)
        assert held is not None and held.deadline == 400
        worker.cancel(third)
        assert tree.lease_of(second) is None
        worker.release(second)
    assert used(tree, one) == 0


def test_leases_compare_and_are_keys(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    with tree.worker() as worker:
        lease = worker.lease(Claim({one: {"VCPU": 2}}), 100)
    assert lease == tree.lease_of(lease.consumer)
    assert {lease: 1}[lease] == 1 and lease != lease.consumer
    assert lease.consumer in repr(lease) and lease.receipt.generation == 1


def test_an_issued_uuid_is_claimed_once(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    with tree.worker() as worker, tree.issue() as issued:
        claim = Claim({one: {"VCPU": 3}}, consumer=issued)
        receipt = worker.claim(claim)
        assert receipt.consumer == issued.consumer
        with pytest.raises(AlreadyHeld):
            worker.claim(claim)
        worker.release(issued)
        with pytest.raises(NotIssued):
            worker.claim(claim)


def test_an_issued_uuid_that_is_closed_is_given_back(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    issued = tree.issue()
    issued.close()
    issued.close()
    assert "closed" in repr(issued)
    with tree.worker() as worker, pytest.raises(NotIssued):
        worker.claim(Claim({one: {"VCPU": 3}}, consumer=issued))


def test_a_gang_keeps_the_issued_uuids_of_a_generator(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    with tree.worker() as worker:
        made = worker.claim_gang((Claim({one: {"VCPU": 1}}, consumer=tree.issue()) for _ in range(3)), 3)
        assert all(isinstance(it, Receipt) for it in made)
        small = Claim({one: {"VCPU": 1}})
        made = worker.claim_gang((small.for_consumer(tree.issue()) for _ in range(2)), 2)
        assert len({it.consumer for it in made if isinstance(it, Receipt)}) == 2


def test_claims_and_batches_keep_an_issued_uuid(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=12)
    claim = Claim({one: {"VCPU": 3}}, consumer=tree.issue())
    reused = Claim({one: {"VCPU": 3}}).for_consumer(tree.issue())
    batch = Batch().claim(Claim({one: {"VCPU": 3}}, consumer=tree.issue()))
    copied = copy.copy(claim)
    del claim
    gc.collect()
    with tree.worker() as worker:
        worker.claim(copied)
        worker.claim(reused)
        worker.commit(batch)
        lost = Claim({one: {"VCPU": 3}}, consumer=tree.issue().consumer)
        with pytest.raises(NotIssued):
            worker.claim(lost)


def test_a_batch_swaps_consumers(tree: ProviderTree) -> None:
    one, other = host(tree, "host-1", VCPU=8), host(tree, "host-2", VCPU=8)
    with tree.worker() as worker:
        first = worker.claim(Claim({one: {"VCPU": 8}}))
        second = worker.claim(Claim({other: {"VCPU": 8}}))
        swap = Batch()
        assert swap.replace(Claim({other: {"VCPU": 8}}, consumer=first), first.generation) is swap
        swap.replace(Claim({one: {"VCPU": 8}}, consumer=second), expect=second.generation)
        receipts = worker.commit(swap)
        assert [receipt.consumer for receipt in receipts] == [first.consumer, second.consumer]
        assert repr(swap) == "<Batch of 2 changes>"
        evict = Batch().release(first).claim(Claim({other: {"VCPU": 4}}))
        assert repr(evict) == "<Batch of 2 changes>"
        assert repr(Batch().cordon(one)) == "<Batch of 1 change>" and repr(Batch()) == "<Batch of 0 changes>"
        fork = tree.snapshot().fork()
        fork.cordon(one)
        assert repr(fork.to_batch()) == "<Batch of a fork>"
        assert repr(fork.to_batch().cordon(other)) == "<Batch of a fork and 1 change>"
        assert len(worker.commit(evict)) == 2
    assert (used(tree, one), used(tree, other)) == (8, 4)


def test_what_has_a_consumer_stands_for_it(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    view = tree.view()
    with tree.worker() as worker:
        for _ in range(2):
            placed = view.place(worker, Request({"VCPU": 8}))
            held = tree.allocations(placed)
            assert held is not None and held.consumer == placed.consumer
            assert tree.allocations(held) == held
            assert Claim(consumer=placed).consumer == Claim(consumer=held).consumer == placed.consumer
            assert worker.release(placed).consumer == placed.consumer
            view.released(placed)
            with pytest.raises(ConsumerNotFound):
                worker.release(held)
    assert used(tree, one) == 0


def test_a_batch_reshapes(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    with tree.worker() as worker:
        vm = worker.claim(Claim({one: {"VCPU": 3}}))
        batch = Batch().configure(one, remove_inventories=["VCPU"], expect=1)
        numa = batch.create(
            {
                "uuid": uuid.uuid4(),
                "name": "host-1-numa-0",
                "parent_provider_uuid": one.uuid,
                "inventories": {"VCPU": 8},
            }
        )
        batch.replace(Claim({numa: {"VCPU": 3}}, consumer=vm))
        worker.commit(batch)
        made = tree["host-1-numa-0"]
        assert made != numa and made.uuid == numa.uuid
        assert used(tree, made) == 3

        other = tree.create_root("host-2")
        worker.commit(Batch().reparent(made, other).cordon(other))
        assert tree.is_cordoned(made) and tree.children(other) == [made]
        worker.commit(Batch().uncordon(other).release(vm).remove(other).reparent(made, None))
        assert tree.providers() == [one, made]


def test_a_refused_batch_changes_nothing(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    batch = Batch().claim(Claim({one: {"VCPU": 8}})).claim(Claim({one: {"VCPU": 1}})).cordon(one)
    with tree.worker() as worker, pytest.raises(CapacityExceeded) as caught:
        worker.commit(batch)
    assert (caught.value.requested, caught.value.free) == (9, 8)
    assert used(tree, one) == 0 and not tree.is_cordoned(one)


def test_receipts_are_plain_values(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    with tree.worker() as worker:
        receipt = worker.claim(Claim({one: {"VCPU": 3}}))
    same = Receipt(uuid.UUID(receipt.consumer), receipt.generation)
    assert receipt == same and hash(receipt) == hash(same) and receipt != receipt.consumer
    assert receipt != Receipt(receipt, 2)
    assert eval(repr(receipt), {"Receipt": Receipt}) == receipt
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(receipt, protocol)) == receipt
    assert copy.deepcopy(receipt) == receipt


def test_allocations_are_plain_values(tree: ProviderTree) -> None:
    one, other = host(tree, "host-1", VCPU=8), host(tree, "host-2", VCPU=8, MEMORY_MB=64)
    with tree.worker() as worker:
        claim = Claim({other: {"VCPU": 3, "MEMORY_MB": 2}, one: {"VCPU": 1}}, tag=4)
        lease = worker.lease(claim, 100)
    held = tree.allocations(lease)
    assert held is not None
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(held, protocol))
        assert again == held and hash(again) == hash(held)
        assert (again.deadline, again.tag) == (100, 4)
        assert again.amounts == held.amounts
        assert again.claim() is None
    assert held != Allocations(held.consumer, 1, held.amounts)
    assert held == Allocations(held.consumer, 1, held.amounts, deadline=100, tag=4)
    assert repr(held).startswith(f"<Allocations of {lease.consumer} at 1: ")


def test_a_closed_worker_says_so(tree: ProviderTree) -> None:
    worker = tree.worker()
    worker.close()
    worker.close()
    assert repr(worker) == "<Worker, closed>"
    with pytest.raises(ValueError, match="closed"):
        worker.expire(0)
    with pytest.raises(ValueError, match="closed"):
        worker.metrics()
    with pytest.raises(ValueError, match="closed"), worker:
        worker.release(uuid.uuid4())


def test_a_worker_remembers_and_counts(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    with tree.worker() as worker:
        assert worker.configuration(one).name == "host-1"
        tree.configure(one, add_traits=["CUSTOM_NEW"])
        assert worker.configuration(one).traits == {"CUSTOM_NEW"}
        receipt = worker.claim(Claim({one: {"VCPU": 8}}))
        worker.release(receipt)
        assert worker.metrics()["claims"] == 1 and worker.metrics()["releases"] == 1


def test_long_claims_are_made(tree: ProviderTree) -> None:
    hosts = [host(tree, f"host-{n}", VCPU=2) for n in range(300)]
    with tree.worker() as worker:
        receipt = worker.claim(Claim({it: {"VCPU": 2} for it in hosts}))
        held = tree.allocations(receipt)
        assert held is not None and len(held.amounts) == 300
        worker.release(receipt)


def test_threads_never_oversell(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=10)

    def run(_: int) -> int:
        granted = 0
        claim = Claim({one: {"VCPU": 1}})
        with tree.worker() as worker:
            for turn in range(200):
                try:
                    receipt = worker.claim(claim)
                except CapacityExceeded:
                    continue
                granted += 1
                if turn % 10:
                    worker.release(receipt)
                assert tree.usage(one, "VCPU").used <= 10
        return granted

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(run, range(8))) > 10
    assert used(tree, one) == 10


def test_a_worker_is_for_one_thread_at_a_time(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=1)
    worker = tree.worker()
    gang = [Claim({one: {"VCPU": 2}}) for _ in range(3000)]
    stop = threading.Event()

    def be_busy() -> None:
        while not stop.is_set():
            try:
                worker.claim_gang(gang, 0)
            except InUseByAnotherThread:
                pass

    thread = threading.Thread(target=be_busy)
    thread.start()
    try:
        with pytest.raises(InUseByAnotherThread, match="Worker"):
            for _ in range(1_000_000):
                worker.metrics()
    finally:
        stop.set()
        thread.join()
    assert isinstance(worker.metrics(), dict)


def test_a_lease_is_none_of_another_forest(tree: ProviderTree) -> None:
    one = host(tree, "host-1", VCPU=8)
    with tree.worker() as worker, ProviderTree().worker() as foreign:
        lease: Lease = worker.lease(Claim({one: {"VCPU": 1}}), 10)
        with pytest.raises(ValueError, match="another forest"):
            foreign.confirm(lease, 0)


def test_classes_say_what_they_are_in_help() -> None:
    for class_ in (Claim, Receipt, Lease, Allocations, Worker, Batch):
        assert class_.__module__ == "provider_tree"
        assert class_.__doc__
        for name, method in vars(class_).items():
            if not name.startswith("_"):
                assert method.__doc__, f"{class_.__name__}.{name}"

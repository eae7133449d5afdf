"""Snapshots, forks, feeds, dumps: whole forests at one instant."""

import copy
import json
import math
import signal
import threading
import time
from typing import Any
from uuid import uuid4

import pytest

from provider_tree import Claim, Provider, ProviderTree, Snapshot, errors
from provider_tree.types import ConsumerDump, Dump


@pytest.fixture
def tree() -> ProviderTree:
    return ProviderTree()


def host(tree: ProviderTree, name: str = "host-1", vcpus: int = 16) -> Provider:
    made = tree.create_root(name)
    tree.configure(made, inventories={"VCPU": vcpus}, traits=["HW_CPU_X86_AVX2"])
    return made


def test_a_snapshot_stays_as_it_is(tree: ProviderTree) -> None:
    first = host(tree)
    gpu = tree.create_child(first, "host-1-gpu")
    worker = tree.worker()
    held = worker.claim(Claim({first: {"VCPU": 4}}, tag=7))
    before = tree.snapshot()
    worker.release(held)
    second = host(tree, "host-2")
    tree.cordon(first)

    assert before.number < tree.snapshot().number
    assert before.roots() == [first]
    assert before.providers() == [first, gpu]
    assert before.children(first) == [gpu] and before.parent(gpu) == first and before.parent(first) is None
    assert before.ancestors(gpu) == [first] and before.subtree(first) == before.tree_of(gpu) == [first, gpu]
    assert before.find("host-1") == before.find(first.uuid) == first
    assert before.find("host-2") is None
    assert before.usage(first, "VCPU").used == 4 and before.usages(first)["VCPU"].free == 12
    assert before.configuration(first).traits == {"HW_CPU_X86_AVX2"}
    assert not before.is_cordoned(first) and tree.snapshot().is_cordoned(gpu)
    assert not before.has_sharing_provider("VCPU")
    allocations = before.allocations(held.consumer)
    assert allocations is not None and allocations.tag == 7
    assert before.all_allocations() == [allocations]
    assert before.consumers() == before.holders(first) == [held.consumer]
    assert before.holders(gpu) == []
    assert before.allocations(uuid4()) is None
    with pytest.raises(errors.Removed):
        before.children(second)
    with pytest.raises(errors.NoInventory):
        before.usage(first, "MEMORY_MB")
    assert repr(before) == f"<Snapshot {before.number}>"


def test_a_bounded_snapshot_becomes_too_old(tree: ProviderTree) -> None:
    hosts = [host(tree, f"host-{number}") for number in range(8)]
    before = tree.snapshot()
    before.keep_at_most(2)
    for one in hosts:
        tree.configure(one, add_traits=["CUSTOM_A"])
    assert before.is_too_old
    with pytest.raises(errors.SnapshotTooOld) as caught:
        before.dump()
    assert caught.value.snapshot == before.number
    assert "too old" in repr(before)


def test_an_audit_holds_and_tells_what_is_overcommitted(tree: ProviderTree) -> None:
    first = host(tree)
    tree.worker().claim(Claim({first: {"VCPU": 12}}))
    audit = tree.snapshot().audit()
    assert audit == {"providers": 1, "consumers": 1, "differences": [], "overcommitted": []}
    tree.configure(first, inventories={"VCPU": 8})
    over = [{"provider": first.uuid, "class": "VCPU", "usage": {"capacity": 8, "used": 12}}]
    assert tree.snapshot().overcommitted() == tree.snapshot().audit()["overcommitted"] == over


def test_a_dump_survives_json(tree: ProviderTree) -> None:
    first = host(tree)
    tree.create_child(first, "host-1-gpu")
    tree.cordon(first)
    tree.uncordon(first)
    held = tree.worker().claim(Claim({first: {"VCPU": 4}}, tag=2**64 - 1))
    dump = tree.snapshot().dump()
    assert dump["version"] == 2
    assert dump["providers"][0]["configuration"]["inventories"]["VCPU"]["total"] == 16
    again = ProviderTree.load(json.loads(json.dumps(dump)))
    assert again.snapshot().dump() == dump
    allocations = again.allocations(held.consumer)
    assert allocations is not None and allocations.amounts == {first.uuid: {"VCPU": 4}}


def damaged(dump: Dump, path: list[Any], value: Any) -> Dump:
    dump = copy.deepcopy(dump)
    place: Any = dump
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return dump


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (["providers", 1, "configuration", "uuid"], "no uuid", "providers[1].configuration.uuid"),
        (["providers", 0, "configuration", "generation"], -1, "providers[0].configuration.generation"),
        (["providers", 0, "configuration", "generation"], "1", "providers[0].configuration.generation"),
        (["providers", 0, "configuration", "inventories"], [1], "providers[0].configuration.inventories"),
        (["providers", 0, "used"], None, "providers[0].used"),
        (["providers", 0, "surprise"], 1, "providers[0]"),
        (["providers"], 5, "providers"),
        (["version"], 2**70, "version"),
        (["consumers"], [{}], "consumers[0]"),
    ],
)
def test_a_dump_of_another_shape_says_where(tree: ProviderTree, path: list[Any], value: Any, where: str) -> None:
    host(tree)
    host(tree, "host-2")
    with pytest.raises(ValueError) as caught:
        ProviderTree.load(damaged(tree.snapshot().dump(), path, value))
    assert where in str(caught.value), str(caught.value)


@pytest.mark.parametrize("given", [None, 5, "text", [], {}, {"version": 1}, {1: 2}, object()])
def test_what_is_no_dump_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="this is no dump"):
        ProviderTree.load(given)


def test_a_dump_that_contradicts_itself_lists_its_faults(tree: ProviderTree) -> None:
    host(tree)
    dump = tree.snapshot().dump()
    dump["providers"].append(dump["providers"][0])
    dump["version"] = 2
    with pytest.raises(errors.InvalidEntries) as caught:
        ProviderTree.load(dump)
    assert "DuplicateUuid" in [fault.kind for fault in caught.value.faults]
    dump["version"] = 9
    with pytest.raises(errors.InvalidEntries) as caught:
        ProviderTree.load(dump)
    assert "DumpVersion" in [fault.kind for fault in caught.value.faults]


def test_changes_tell_before_and_after(tree: ProviderTree) -> None:
    first = host(tree)
    before = tree.snapshot()
    held = tree.worker().claim(Claim({first: {"VCPU": 4}}))
    after = tree.snapshot()
    changes = after.changes_since(before)
    assert (changes["from"], changes["to"]) == (before.number, after.number)
    assert [it["provider"] for it in changes["providers"]] == [first.uuid]
    assert changes["consumers"][0]["consumer"] == held.consumer
    assert changes["consumers"][0]["before"] is None
    json.dumps(changes)
    assert after.changes_since(after)["providers"] == []
    for other in (ProviderTree().snapshot(), after):
        with pytest.raises(errors.ForeignSnapshot):
            before.changes_since(other)


def test_a_fork_and_its_batch_keep_issued_uuids(tree: ProviderTree) -> None:
    first = host(tree)
    fork = tree.snapshot().fork()
    fork.claim(Claim({first: {"VCPU": 1}}, consumer=tree.issue()))
    fork.replace(Claim({first: {"VCPU": 2}}, consumer=tree.issue()))
    fork = copy.copy(fork)
    batch = fork.to_batch()
    del fork
    assert len(tree.worker().commit(batch)) == 2
    assert tree.usage(first, "VCPU").used == 3


def test_a_fork_answers_what_if(tree: ProviderTree) -> None:
    first = host(tree)
    worker = tree.worker()
    low = worker.claim(Claim({first: {"VCPU": 12}}))
    high = Claim({first: {"VCPU": 16}}, consumer=uuid4())
    snapshot = tree.snapshot()
    fork = snapshot.fork()
    assert not fork.fits(high)
    with pytest.raises(errors.ZeroAmount):
        fork.fits(Claim({first: {"VCPU": 0}}))
    with pytest.raises(errors.CapacityExceeded):
        fork.claim(high)
    fork.release(low)
    with pytest.raises(errors.ConsumerNotFound):
        fork.release(low)
    other = copy.copy(fork)
    fork.claim(high)
    assert high.consumer is not None
    assert fork.usage(first, "VCPU").used == 16 and other.usages(first)["VCPU"].used == 0
    held = fork.allocations(high.consumer)
    assert held is not None and held.generation == 1
    assert fork.allocations(low) is None
    assert fork.snapshot().number == snapshot.number
    assert tree.snapshot().consumers() == [low.consumer]
    assert len(worker.commit(fork.to_batch())) == 2
    assert tree.snapshot().consumers() == [high.consumer]
    assert repr(fork) == f"<Fork of snapshot {snapshot.number}>"


def test_a_fork_changes_providers(tree: ProviderTree) -> None:
    first = host(tree)
    fork = tree.snapshot().fork()
    assert fork.cordon(first) and not fork.cordon(first) and fork.is_cordoned(first)
    assert fork.uncordon(first) and not fork.is_cordoned(first)
    fork.set_inventories(first, {"VCPU": 32})
    fork.replace(Claim({first: {"VCPU": 20}}, consumer=uuid4()))
    assert fork.usage(first, "VCPU").free == 12
    view = fork.view()
    assert view.usage(first, "VCPU").free == 12
    tree.configure(first, add_traits=["CUSTOM_A"])
    for if_unchanged in (False, True):
        with pytest.raises(errors.Conflict):
            tree.worker().commit(fork.to_batch(if_unchanged=if_unchanged))


def test_a_feed_polls(tree: ProviderTree) -> None:
    feed = tree.subscribe()
    assert feed.poll()["providers"] == [] and not feed.wait(0)
    first = host(tree)
    assert feed.wait(0) and feed.wait(math.inf)
    changes = feed.poll()
    assert [it["provider"] for it in changes["providers"]] == [first.uuid]
    assert changes["to"] == feed.position().number
    held = tree.worker().claim(Claim({first: {"VCPU": 4}}))
    touched = feed.poll_touched()
    assert touched["providers"] == {first.uuid: first} and touched["consumers"] == [held.consumer]
    tree.worker().release(held)
    position = feed.position()
    tree.remove(first)
    assert feed.poll_touched()["providers"] == {first.uuid: None}
    again = tree.subscribe(position)
    assert again.poll()["providers"][0]["after"] is None
    assert repr(again) == f"<Feed at {again.position().number}>"


@pytest.mark.parametrize("seconds", [-1, math.nan, -math.inf])
def test_a_feed_waits_no_strange_time(tree: ProviderTree, seconds: float) -> None:
    with pytest.raises(ValueError):
        tree.subscribe().wait(seconds)


def test_a_feed_falls_behind_or_is_of_another_forest(tree: ProviderTree) -> None:
    hosts = [host(tree, f"host-{number}") for number in range(8)]
    feed = tree.subscribe(bound=1)
    for one in hosts:
        tree.configure(one, add_traits=["CUSTOM_A"])
    with pytest.raises(errors.FellBehind):
        feed.poll()
    with pytest.raises(errors.FellBehind):
        next(feed)
    with pytest.raises(errors.ForeignSnapshot):
        next(ProviderTree().subscribe(tree.snapshot()))


def test_iterating_waits_and_sleeps(tree: ProviderTree) -> None:
    feed = tree.subscribe()
    names = [f"host-{number}" for number in range(3)]

    def write() -> None:
        for name in names:
            time.sleep(0.05)
            tree.create_root(name)

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[str] = []
    spent = time.process_time()
    for changes in feed:
        seen += [it["after"]["dump"]["configuration"]["name"] for it in changes["providers"] if it["after"]]
        if len(seen) == len(names):
            break
    writer.join()
    assert seen == names
    assert time.process_time() - spent < 0.1


def test_a_signal_ends_a_wait(tree: ProviderTree) -> None:
    class Alarm(Exception):
        pass

    def ring(*_: object) -> None:
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    try:
        feed = tree.subscribe()
        for wait in (lambda: feed.wait(60), lambda: next(feed)):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            began = time.monotonic()
            with pytest.raises(Alarm):
                wait()
            assert time.monotonic() - began < 5
        assert feed.poll()["providers"] == []
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_mirror_follows_the_changes(tree: ProviderTree) -> None:
    """What a feed says leads from one dump to the next."""
    start = tree.snapshot()
    feed = tree.subscribe(start)
    consumers: dict[str, ConsumerDump | None] = {it["consumer"]: it for it in start.dump()["consumers"]}
    worker = tree.worker()
    hosts = [host(tree, f"host-{number}") for number in range(4)]
    held = [worker.claim(Claim({one: {"VCPU": 3}})) for one in hosts for _ in range(3)]
    for receipt in held[::2]:
        worker.release(receipt)
    for change in feed.poll()["consumers"]:
        consumers[change["consumer"]] = change["after"]
    end: Snapshot = feed.position()
    wanted = {it["consumer"]: it for it in end.dump()["consumers"]}
    assert {uuid: it for uuid, it in consumers.items() if it is not None} == wanted

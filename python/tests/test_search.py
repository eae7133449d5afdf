"""Views, requests, candidates, placing and evicting."""

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import provider_tree
from provider_tree import (
    Claim,
    Group,
    Prepared,
    Provider,
    ProviderTree,
    Request,
    View,
    errors,
)

HOSTS = 8


@pytest.fixture
def tree() -> ProviderTree:
    """Hosts with 16 VCPUs, each with two GPUs below."""
    tree = ProviderTree()
    for number in range(HOSTS):
        host = tree.create_root(f"host-{number}")
        traits = ["CUSTOM_EVEN"] if number % 2 == 0 else ["CUSTOM_ODD"]
        tree.configure(host, inventories={"VCPU": 16, "MEMORY_MB": 4_096}, traits=traits, aggregates=[uuid.UUID(int=number)])
        for device in range(2):
            gpu = tree.create_child(host, f"host-{number}-gpu-{device}")
            tree.configure(gpu, inventories={"PGPU": 1})
    return tree


def names(tree: ProviderTree, providers: list[Provider]) -> list[str]:
    return [tree.configuration(it).name for it in providers]


def found(tree: ProviderTree, view: View, request: Request | Prepared, **how: Any) -> list[str]:
    return names(tree, [it.root for it in view.candidates(request, **how)])


def test_a_candidate_says_who_gives_what(tree: ProviderTree) -> None:
    request = Request(
        {"VCPU": 4}, groups={"a": Group({"PGPU": 1}), "b": Group({"PGPU": 1})}, isolate=True, limit=3
    )
    view = tree.view()
    candidates = view.candidates(request)
    assert len(candidates) == 3
    first = candidates[0]
    host = tree["host-0"]
    assert first.root == host and first.provider_of("VCPU") == host
    gpus = [tree["host-0-gpu-0"], tree["host-0-gpu-1"]]
    assert {first.provider("a"), first.provider("b")} == set(gpus)
    assert first.provider("c") is None and first.provider_of("PGPU") is None
    assert sorted(first.providers, key=hash) == sorted([host, *gpus], key=hash)
    assert (host, "VCPU", 4) in first.lines and len(first.lines) == 3
    assert "4 VCPU of" in repr(first)
    for consumer in (None, uuid.uuid4(), str(uuid.uuid4())):
        claim = first.claim(consumer)
        assert claim.consumer == (None if consumer is None else str(consumer))
        assert sorted(it[1] for it in claim.amounts) == ["PGPU", "PGPU", "VCPU"]
    tagged = Claim(tag=5)
    assert first.claim(tagged).tag == 5 and tagged.amounts == []


def test_an_issued_uuid_lives_as_long_as_the_claim(tree: ProviderTree) -> None:
    view, worker = tree.view(), tree.worker()
    claim = view.candidates(Request({"VCPU": 4}))[0].claim(tree.issue())
    again = view.candidates(Request({"VCPU": 4}))[0].claim(Claim(consumer=tree.issue()))
    assert worker.claim(claim).consumer == claim.consumer
    assert worker.claim(again).consumer == again.consumer
    placed = view.place(worker, Request({"VCPU": 4}), tree.issue())
    assert placed.consumer == placed.receipt.consumer


def test_conditions_are_met(tree: ProviderTree) -> None:
    view = tree.view()
    even = [f"host-{number}" for number in range(0, HOSTS, 2)]
    odd = [f"host-{number}" for number in range(1, HOSTS, 2)]
    four = {"VCPU": 4}
    assert found(tree, view, Request(four, required=["CUSTOM_EVEN"])) == even
    assert found(tree, view, Request(four, forbidden={"CUSTOM_EVEN"})) == odd
    assert found(tree, view, Request(four, any_of=[["CUSTOM_ODD", "CUSTOM_NONE"]])) == odd
    assert found(tree, view, Request(four, any_of=[["CUSTOM_ODD"], ("CUSTOM_EVEN",)])) == []
    assert found(tree, view, Request(four, root_required=["CUSTOM_ODD"])) == odd
    assert found(tree, view, Request(four, root_forbidden=["CUSTOM_ODD"])) == even
    assert found(tree, view, Request(four, member_of=[[uuid.UUID(int=3), str(uuid.UUID(int=5))]])) == ["host-3", "host-5"]
    assert found(tree, view, Request(four, not_member_of=[uuid.UUID(int=0)]))[0] == "host-1"
    gpu = tree["host-2-gpu-1"]
    for in_tree in (gpu, gpu.uuid, uuid.UUID(gpu.uuid)):
        assert found(tree, view, Request(four, in_tree=in_tree)) == ["host-2"]
    assert found(tree, view, Request(four, in_tree=uuid.uuid4())) == []
    below = Request(
        groups={"top": Group(required=["CUSTOM_ODD"]), "gpu": Group({"PGPU": 1})}, same_subtree=[["top", "gpu"]]
    )
    assert found(tree, view, below) == odd


def test_a_search_begins_where_it_is_told(tree: ProviderTree) -> None:
    view = tree.view()
    request = Request({"VCPU": 4})
    every = [f"host-{number}" for number in range(HOSTS)]
    prepared = view.prepare(request)
    assert prepared.request == request
    assert found(tree, view, prepared) == found(tree, view, request) == every
    assert found(tree, view, prepared, limit=3) == every[:3]
    assert found(tree, view, prepared, limit=0) == []
    assert found(tree, view, prepared, part=(1, 4)) == every[2:] + every[:2]
    assert sorted(found(tree, view, prepared, seed=5)) == every
    assert found(tree, view, prepared, root=3) == ["host-3"]
    for beyond in (HOSTS, 2**32, 2**64 - 1):
        assert found(tree, view, prepared, root=beyond) == []
    assert len(found(tree, view, prepared, steps=2)) < HOSTS
    drawn = {tuple(found(tree, view, prepared, order="drawn", seed=seed)) for seed in range(8)}
    assert len(drawn) > 1 and all(sorted(one) == every for one in drawn)
    assert len({found(tree, view, prepared, order="drawn", limit=1)[0] for _ in range(60)}) > 1
    gpu = Request(groups={"gpu": Group({"PGPU": 1})})
    assert len(view.candidates(gpu)) == HOSTS
    assert len(view.candidates(gpu, everything=True)) == 2 * HOSTS
    tree.worker().take(tree["host-0-gpu-0"], {"PGPU": 1})
    view.refresh()
    assert view.candidates(gpu, order="tightest")[0].provider("gpu") == tree["host-0-gpu-1"]
    shuffled = {view.candidates(gpu, order="shuffled", root=1)[0].provider("gpu") for _ in range(60)}
    assert shuffled == {tree["host-1-gpu-0"], tree["host-1-gpu-1"]} or len(shuffled) == 1


def test_a_strange_search_is_refused(tree: ProviderTree) -> None:
    view, request = tree.view(), Request({"VCPU": 4})
    strange: list[tuple[type[Exception], list[dict[str, Any]]]] = [
        (ValueError, [{"order": "best"}, {"part": (4, 4)}, {"part": (0, 0)}, {"part": (0, 2), "order": "drawn"}]),
        (TypeError, [{"limit": "1"}, {"root": 1.5}, {"order": 1}, {"part": 1}, {"surprise": 1}]),
        (OverflowError, [{"limit": -1}, {"seed": 2**64}, {"root": -1}]),
    ]
    for error, arguments in strange:
        for how in arguments:
            with pytest.raises(error):
                view.candidates(request, **how)
    with pytest.raises(TypeError, match="a view is asked for a Request or a Prepared, not for a dict"):
        view.candidates({"VCPU": 4})  # type: ignore[arg-type]
    with pytest.raises(errors.ForeignRequest):
        view.candidates(tree.view().prepare(request))


def test_a_signal_ends_a_search_without_end() -> None:
    class Alarm(Exception):
        pass

    def ring(*_: object) -> None:
        raise Alarm

    tree = ProviderTree()
    host = tree.create_root("host")
    for number in range(40):
        tree.configure(tree.create_child(host, f"gpu-{number}"), inventories={"PGPU": 1})
    view = tree.view()
    request = Request(groups={f"gpu-{number}": Group({"PGPU": 1}) for number in range(12)}, isolate=True)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Alarm):
            view.candidates(request, everything=True)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(view.candidates(request, everything=True, limit=300)) == 300
    assert len(view.candidates(request)) == 1


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({}, "Nothing"),
        ({"resources": {"VCPU": 0}}, "ZeroAmount"),
        ({"required": ["CUSTOM_A"], "groups": {"a": Group({"VCPU": 1})}}, "ConditionsAlone"),
        ({"resources": {"VCPU": 1}, "required": ["CUSTOM_A"], "forbidden": ["CUSTOM_A"]}, "Contradiction"),
        ({"resources": {"VCPU": 1}, "any_of": [[]]}, "EmptyChoice"),
        ({"resources": {"VCPU": 1}, "groups": {"a": Group()}}, "LooseGroup"),
        ({"resources": {"VCPU": 1}, "same_subtree": [["a"]]}, "UnknownGroup"),
        ({"resources": {"VCPU": 1}, "same_subtree": [[]]}, "EmptySubtree"),
        ({"resources": {"VCPU": 1}, "limit": 0}, "ZeroLimit"),
        ({"resources": {"VCPU": 1}, "root_required": ["CUSTOM_A"], "root_forbidden": ["CUSTOM_A"]}, "RootContradiction"),
    ],
)
def test_a_contradiction_is_refused(arguments: dict[str, Any], kind: str) -> None:
    with pytest.raises(errors.InvalidRequest) as caught:
        Request(**arguments)
    assert caught.value.fault.kind == kind


def test_requests_are_plain_values() -> None:
    one = Request({"VCPU": 4, "MEMORY_MB": 512}, required=["CUSTOM_A"], groups={"x": Group({"PGPU": 1})})
    same = Request({"MEMORY_MB": 512, "VCPU": 4}, required={"CUSTOM_A"}, groups={"x": Group({"PGPU": 1})})
    assert one == same and hash(one) == hash(same) and one != Request({"VCPU": 4}) and one != 5
    assert Group({"VCPU": 1}) == Group({"VCPU": 1}) != Group({"VCPU": 2})
    assert repr(one) == "Request(4 VCPU + 512 MEMORY_MB + CUSTOM_A, x: 1 PGPU)"
    assert "1 more conditions" in repr(Group({"VCPU": 1}, in_tree=uuid.uuid4()))
    with pytest.raises(errors.InvalidName):
        Request({"VCPU": 1}, groups={"two words": Group({"VCPU": 1})})
    with pytest.raises(TypeError):
        Request({"VCPU": 1}, required="CUSTOM_A")
    with pytest.raises(TypeError):
        Request({"VCPU": 1}, any_of=["CUSTOM_A"])


def test_many_requests_may_be_asked_unprepared(tree: ProviderTree) -> None:
    view = tree.view()
    for _ in range(2):
        for amount in range(1, 200):
            assert len(view.candidates(Request({"VCPU": amount}))) == (HOSTS if amount <= 16 else 0)


def test_a_view_follows_its_forest_when_it_is_refreshed(tree: ProviderTree) -> None:
    view, worker = tree.view(), tree.worker()
    host = tree["host-0"]
    assert (view.trees, view.providers) == (HOSTS, 3 * HOSTS)
    assert repr(view) == f"<View of {HOSTS} trees, {3 * HOSTS} providers>"
    claim = Claim({host: {"VCPU": 10}})
    held = worker.claim(claim)
    assert view.usage(host, "VCPU").used == 0
    view.reread(host)
    assert view.usage(host, "VCPU").used == 10
    worker.release(held)
    view.released(claim)
    assert view.usage(host, "VCPU").used == 0
    view.assume(claim)
    assert view.usage(host, "VCPU").used == 10
    view.undo(claim)
    view.claimed(claim)
    assert view.usage(host, "VCPU").used == 10
    assert view.refresh() >= 1 and view.usage(host, "VCPU").used == 0
    still = tree.snapshot().view()
    tree.remove(tree["host-1"])
    view.refresh()
    assert view.trees == HOSTS - 1
    assert still.refresh() == 0 and still.trees == HOSTS
    with pytest.raises(errors.NoInventory):
        view.usage(host, "DISK_GB")
    with pytest.raises(errors.ForeignProvider):
        view.reread(ProviderTree().create_root("other"))


def test_something_is_placed(tree: ProviderTree) -> None:
    view, worker = tree.view(), tree.worker()
    prepared = view.prepare(Request({"VCPU": 6}))
    placed = view.place(worker, prepared)
    assert placed.candidate.root == tree["host-0"] and placed.refusals == 0
    assert tree.allocations(placed.receipt) is not None
    assert placed.claim.consumer == placed.consumer == placed.receipt.consumer
    assert repr(placed).startswith(f"<Placed {placed.consumer}: <Candidate: 6 VCPU of")
    mine = uuid.uuid4()
    second = view.place(worker, prepared, mine, part=(2, 4))
    assert second.consumer == str(mine) and second.candidate.root == tree["host-4"]
    with pytest.raises(errors.ConsumerExists):
        view.place(worker, prepared, mine)
    tagged = view.place(worker, Request({"VCPU": 1}), Claim(tag=9), order="drawn")
    held = tree.allocations(tagged.consumer)
    assert held is not None and held.tag == 9
    assert view.release_each(worker, [placed, second, placed, tagged]) == 3
    assert view.usage(tree["host-0"], "VCPU").used == 0
    with pytest.raises(errors.NothingFits) as caught:
        view.place(worker, Request({"VCPU": 17}))
    assert caught.value.refusals == 0
    with pytest.raises(TypeError):
        view.place(worker, prepared, 5)  # type: ignore[arg-type]


def test_placing_goes_on_after_a_conflict(tree: ProviderTree) -> None:
    view, worker = tree.view(), tree.worker()
    request = Request({"VCPU": 10})
    for number in range(HOSTS - 1):
        tree.worker().take(tree[f"host-{number}"], {"VCPU": 10})
    placed = view.place(worker, request)
    assert placed.candidate.root == tree[f"host-{HOSTS - 1}"]
    view = tree.snapshot().view()
    tree.worker().take(tree["host-0"], {"VCPU": 6})
    with pytest.raises(errors.GaveUp) as caught:
        view.place(worker, Request({"VCPU": 6}, in_tree=tree["host-0"]), tries=3)
    assert caught.value.refusals == 3 and isinstance(caught.value.last, errors.CapacityExceeded)


def test_as_many_are_placed_as_fit(tree: ProviderTree) -> None:
    view, worker = tree.view(), tree.worker()
    prepared = view.prepare(Request({"VCPU": 4}))
    first = view.place_each(worker, prepared, 5, seed=3)
    assert len(first) == 5 and len({it.consumer for it in first}) == 5
    rest = view.place_each(worker, prepared, 2**40, Claim(tag=3))
    assert len(rest) == 4 * HOSTS - 5
    assert view.place_each(worker, prepared, 5) == [] == view.place_each(worker, prepared, 0)
    held = tree.allocations(rest[0].consumer)
    assert held is not None and held.tag == 3
    view.release_each(worker, first)
    for mine in (Claim(consumer=uuid.uuid4()), rest[0], str(uuid.uuid4())):
        with pytest.raises(ValueError, match="place_each names the consumers itself: give a claim without"):
            view.place_each(worker, prepared, 2, mine)  # type: ignore[arg-type]
    assert view.release_each(worker, iter(rest)) == len(rest)
    with pytest.raises(TypeError):
        view.release_each(worker, [1])  # type: ignore[list-item]
    assert tree.snapshot().audit()["differences"] == []


def test_who_was_placed_since_the_last_refresh_may_go() -> None:
    tree = ProviderTree()
    tree.configure(tree.create_root("host"), inventories={"VCPU": 8})
    worker, request = tree.worker(), Request({"VCPU": 8})
    ways: list[dict[str, Any]] = [{"below": 5}, {"cost": lambda consumer, tag: tag}]
    for how in ways:
        view = tree.view(holders=True)
        placed = view.place(worker, request, Claim(tag=3))
        eviction = view.evict(request, **how)
        assert eviction is not None and eviction.victims == [placed.consumer]
        receipts = worker.commit(eviction.batch())
        assert [receipts[0].consumer, len(receipts)] == [placed.consumer, 2]
        worker.release(receipts[1])


def test_two_cards_of_one_host() -> None:
    tree = ProviderTree()
    host = tree.create_root("host")
    for number in range(2):
        tree.configure(tree.create_child(host, f"gpu-{number}"), inventories={"PGPU": 1})
    view = tree.view()
    assert view.candidates(Request({"PGPU": 2})) == []
    named = {"gpu0": Group({"PGPU": 1}), "gpu1": Group({"PGPU": 1})}
    (found,) = view.candidates(Request(groups=named, isolate=True))
    assert set(found.providers) == set(tree.children(host))


def test_the_cheapest_go(tree: ProviderTree) -> None:
    worker = tree.worker()
    held = {}
    for number in range(HOSTS):
        for tag in (number + 1, number + 2):
            held[tag, number] = worker.claim(Claim({tree[f"host-{number}"]: {"VCPU": 8}}, tag=tag))
    view = tree.view(holders=True)
    request = Request({"VCPU": 8})
    assert sorted(view.holders(tree["host-0"])) == sorted([(held[1, 0].consumer, 1), (held[2, 0].consumer, 2)])
    by_tag = view.evict(request, lambda consumer, tag: tag if tag < 5 else None)
    below = view.evict(request, below=5)
    for eviction in (by_tag, below):
        assert eviction is not None
        assert eviction.victims == [held[1, 0].consumer] and eviction.cost == 1
        assert eviction.candidate.root == tree["host-0"]
        assert repr(eviction) == "<Eviction of 1 consumer at cost 1>"
        assert repr(eviction.batch()) == "<Batch of 2 changes>"
    assert view.evict(request, below=1) is None
    assert view.evict(request, lambda consumer, tag: None) is None
    asked: list[tuple[str, int]] = []

    def fails(consumer: str, tag: int) -> int:
        asked.append((consumer, tag))
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        view.evict(request, fails)
    assert len(asked) == 1
    strange: list[Any] = [lambda *_: "1", lambda *_: -1, lambda: 1, lambda *_: 2**64, 5]
    for bad in strange:
        with pytest.raises((TypeError, OverflowError)):
            view.evict(request, bad)
    with pytest.raises(TypeError):
        view.evict(request)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        view.evict(request, fails, below=1)  # type: ignore[call-overload]
    with pytest.raises(errors.InUseByAnotherThread):
        view.evict(request, lambda *_: view.refresh())
    # Nothing has changed.
    assert view.usage(tree["host-0"], "VCPU").used == 16
    assert by_tag is not None
    receipts = worker.commit(by_tag.batch(Claim(tag=50)))
    assert len(receipts) == 2
    with pytest.raises(errors.ConsumerConflict):
        worker.commit(by_tag.batch())
    view.refresh()
    assert sorted(tag for _, tag in view.holders(tree["host-0"])) == [2, 50]


def test_a_view_without_holders_says_so(tree: ProviderTree) -> None:
    view = tree.view()
    with pytest.raises(errors.NoHolders):
        view.holders(tree["host-0"])
    with pytest.raises(errors.NoHolders):
        view.evict(Request({"VCPU": 17}), below=5)
    assert tree.snapshot().view(holders=True).holders(tree["host-0"]) == []


def test_why_nothing_fits(tree: ProviderTree) -> None:
    tree.worker().take(tree["host-1"], {"VCPU": 16})
    view = tree.view()
    why = view.why(Request({"VCPU": 4}, required=["CUSTOM_ODD"]))
    assert why == {
        "roots": 8, "root_traits": 0, "groups": [], "traits": 4, "short": [("VCPU", 1)], "together": 0, "fitting": 3,
    }
    assert view.why(view.prepare(Request({"DISK_GB": 4})))["groups"] == [(None, 8)]


ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, 2**31, 2**32, 2**63, 2**64 - 1, 2**64]),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.sampled_from(["VCPU", "PGPU", "CUSTOM_ODD", "host-0", "first", "drawn", "shuffled"]),
    st.uuids(),
    st.lists(st.integers(), max_size=3),
    st.tuples(st.integers(), st.integers()),
    st.dictionaries(st.sampled_from(["VCPU", "PGPU", "x"]), st.integers(), max_size=2),
    st.sampled_from(
        ["a provider", "a request", "a claim", "a snapshot", "a view", "a worker", "a placed", "a prepared", "a forest", "a lambda"]
    ),
)


def objects(tree: ProviderTree) -> dict[str, Any]:
    view, worker, request = tree.view(holders=True), tree.worker(), Request({"VCPU": 1})
    return {
        "a provider": tree["host-0"],
        "a request": request,
        "a prepared": view.prepare(request),
        "a claim": Claim({tree["host-0"]: {"VCPU": 1}}),
        "a snapshot": tree.snapshot(),
        "a view": view,
        "a worker": worker,
        "a placed": view.place(worker, request),
        "a forest": tree,
        "a lambda": lambda *_: 1,
        "a fork": tree.snapshot().fork(),
        "a feed": tree.subscribe(),
        "a column": view.free("VCPU"),
        "a candidate": view.candidates(request, limit=1)[0],
        "an eviction": view.evict(request, below=1),
    }


METHODS = {
    kind: [
        name
        for name in dir(getattr(provider_tree, owner))
        if callable(getattr(getattr(provider_tree, owner), name))
        and (not name.startswith("_") or name in ("__getitem__", "__eq__", "__repr__"))
    ]
    for kind, owner in {
        "a snapshot": "Snapshot",
        "a fork": "Fork",
        "a feed": "Feed",
        "a view": "View",
        "a candidate": "Candidate",
        "an eviction": "Eviction",
        "a column": "Column",
        "a forest": "ProviderTree",
    }.items()
}
CALLS = [(kind, name) for kind, all_names in METHODS.items() for name in all_names]
KEYWORDS = st.sampled_from(
    ["limit", "seed", "order", "part", "root", "everything", "steps", "tries", "below", "holders", "bound", "scores", "if_unchanged"]
)


@settings(max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(CALLS), st.lists(ODD, max_size=4), st.dictionaries(KEYWORDS, ODD, max_size=2))
def test_nothing_panics(call: tuple[str, str], arguments: list[Any], keywords: dict[str, Any]) -> None:
    kind, name = call
    if name == "wait":
        arguments = [0.0 if isinstance(it, (int, float)) and it > 0 else it for it in arguments]
    tree = ProviderTree()
    host = tree.create_root("host-0")
    tree.configure(host, inventories={"VCPU": 16})
    known = objects(tree)
    given_objects = [known.get(it, it) if isinstance(it, str) else it for it in arguments]
    named = {key: known.get(it, it) if isinstance(it, str) else it for key, it in keywords.items()}
    try:
        getattr(known[kind], name)(*given_objects, **named)
    except Exception:
        # A panic is no Exception, but a BaseException.
        pass
    repr(known[kind])
    assert tree.snapshot().audit()["differences"] == []


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([Request, Group]),
    st.lists(ODD, max_size=1),
    st.dictionaries(
        st.sampled_from(
            ["required", "any_of", "forbidden", "member_of", "not_member_of", "in_tree", "groups", "isolate",
             "same_subtree", "root_required", "root_forbidden", "limit"]
        ),
        ODD,
        max_size=3,
    ),
)
def test_no_request_panics(kind: Any, arguments: list[Any], keywords: dict[str, Any]) -> None:
    try:
        request = kind(*arguments, **keywords)
    except Exception:
        return
    assert request == request and hash(request) == hash(request) and repr(request)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 8)), min_size=1, max_size=6), st.integers(1, 12))
def test_candidates_are_those_that_have_enough(hosts: list[tuple[int, int]], amount: int) -> None:
    """What a view finds is what a look at every host finds."""
    tree = ProviderTree()
    worker = tree.worker()
    for number, (total, taken) in enumerate(hosts):
        host = tree.create_root(f"host-{number}")
        tree.configure(host, inventories={"VCPU": total})
        if taken <= total:
            worker.take(host, {"VCPU": taken})
    view = tree.view()
    wanted = [it for it in tree.roots() if tree.usage(it, "VCPU").free >= amount]
    request = Request({"VCPU": amount})
    assert [it.root for it in view.candidates(request)] == wanted
    placed = view.place_each(worker, request, 1_000)
    assert len(placed) == sum(
        (total - (taken if taken <= total else 0)) // amount for total, taken in hosts
    )
    assert all(it.usage(root, "VCPU").free < amount for it in (tree, view) for root in tree.roots())


def endless(count: int) -> tuple[ProviderTree, Request]:
    """A host with so many children, each of which takes one group alone, and a request of one group more."""
    tree = ProviderTree()
    host = tree.create_root("host")
    for number in range(count):
        tree.configure(tree.create_child(host, f"gpu-{number}"), inventories={"PGPU": 100 + number})
    groups = {f"gpu-{number}": Group({"PGPU": 1 + number}) for number in range(count + 1)}
    return tree, Request(groups=groups, isolate=True)


@pytest.mark.parametrize(
    "call",
    [
        lambda view, worker, request: view.place(worker, request),
        lambda view, worker, request: view.place(worker, request, tries=1),
        lambda view, worker, request: view.place(worker, request, scores=np.zeros(1)),
        lambda view, worker, request: view.place_each(worker, request, 2),
        lambda view, worker, request: view.best(request, 1, np.zeros(1)),
        lambda view, worker, request: view.candidates(request, limit=1),
        lambda view, worker, request: view.candidates(request, order="drawn", limit=300),
    ],
)
def test_a_signal_ends_a_search_of_one_tree_and_other_threads_go_on(call: Callable[..., Any]) -> None:
    # 20! ways take for ever. So each thing waits for the other here, whatever takes how long: the signal for the
    # beats, which need the interpreter while the search goes on, and the end of the search for the signal.
    tree, request = endless(20)
    view, worker = tree.view(), tree.worker()
    begun = threading.Event()

    def interrupt() -> None:
        begun.wait()
        for _ in range(3):
            time.sleep(0.001)  # Gives the interpreter up, and wants it back.
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        begun.set()
        call(view, worker, request)
        pytest.fail("the search has ended by itself")
    thread.join()
    # Nothing is in use, and the view serves still.
    assert len(view.candidates(Request({"PGPU": 100}), limit=1)) == 1
    assert tree.snapshot().consumers() == []


class Alarm(Exception):
    pass


@pytest.fixture
def alarm() -> Iterator[Callable[[], None]]:
    """Lets a signal raise `Alarm` after a while of work."""

    def ring(*_: object) -> None:
        raise Alarm

    before = signal.signal(signal.SIGVTALRM, ring)
    yield lambda: signal.setitimer(signal.ITIMER_VIRTUAL, 0.1) and None
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


def test_what_was_placed_before_a_signal_is_released(alarm: Callable[[], None]) -> None:
    tree = ProviderTree()
    host = tree.create_root("host")
    tree.configure(host, inventories={"VCPU": 2**31 - 1})
    view, worker = tree.view(), tree.worker()
    alarm()
    with pytest.raises(Alarm):
        view.place_each(worker, Request({"VCPU": 1}), 2**31 - 1)
    assert tree.snapshot().consumers() == [] and tree.usage(host, "VCPU").used == view.usage(host, "VCPU").used == 0


def test_a_signal_ends_a_release_which_can_go_on(alarm: Callable[[], None]) -> None:
    tree = ProviderTree()
    host = tree.create_root("host")
    tree.configure(host, inventories={"VCPU": 8})
    view, worker = tree.view(), tree.worker()
    placed = view.place_each(worker, Request({"VCPU": 1}), 8)
    # Of the same again and again, only the first is there to be released.
    many = placed[:1] * 4_000_000 + placed[1:]
    alarm()
    with pytest.raises(Alarm) as caught:
        view.release_each(worker, many)
    assert caught.value.__notes__ == ["1 consumers had been released"]
    assert tree.usage(host, "VCPU").used == view.usage(host, "VCPU").used == 7
    assert view.release_each(worker, placed) == 7

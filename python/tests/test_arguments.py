"""Odd arguments: whatever a method is given, it returns or raises an ordinary exception, and never panics."""

import copy
import math
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import provider_tree
from provider_tree import (
    Allocations,
    Batch,
    Claim,
    Expect,
    Group,
    ProviderTree,
    Receipt,
    Request,
    Worker,
)


class Odd:
    """Says nothing that it is asked."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class Broken(dict[Any, Any]):
    """A mapping whose items are none."""

    def items(self) -> Any:
        return [(1,), 2]


class World:
    """A forest, and objects of it and of another one to call methods of, and to call them with."""

    def __init__(self) -> None:
        self.tree = ProviderTree()
        host = self.tree.create_root("host-1", uuid.UUID(int=1))
        numa = self.tree.create_child(host, "host-1-numa-0", uuid.UUID(int=2))
        self.tree.configure(host, inventories={"VCPU": 8, "MEMORY_MB": 64})
        self.tree.configure(numa, inventories={"VCPU": 4})
        gone = self.tree.create_root("host-2")
        self.tree.remove(gone)
        foreign = ProviderTree().create_root("host-1")
        worker = self.tree.worker()
        claim = Claim({host: {"VCPU": 1}}, consumer=uuid.UUID(int=3))
        closed = self.tree.worker()
        closed.close()
        batch = Batch().claim(claim)
        to_come = Batch().create({"uuid": uuid.UUID(int=9), "name": "host-9"})
        issued = self.tree.issue()
        lease = worker.lease(Claim({host: {"VCPU": 1}}), 10)
        over = worker.lease(Claim({host: {"VCPU": 1}}), 10)
        worker.cancel(over)
        receipt = worker.claim(Claim({numa: {"VCPU": 1}}))
        held = self.tree.allocations(receipt)
        assert held is not None
        snapshot, view = self.tree.snapshot(), self.tree.view(holders=True)
        request = Request({"VCPU": 1})
        self.objects: list[Any] = [
            self.tree, host, numa, gone, foreign, to_come, worker, closed, claim, Claim(),
            Claim({foreign: {"VCPU": 1}}), batch, Batch(), issued, lease, over, receipt, held,
            worker.claim_partly(Claim({host: {"VCPU": 1}})), Expect.ANY, Expect.KEEP,
            Expect.mirror(2**64 - 1), self.tree.configuration(host), self.tree.usage(host, "VCPU"),
            snapshot, snapshot.fork(), view, request, view.prepare(request), view.free("VCPU"),
            Group({"VCPU": 1}), *view.candidates(request, limit=1),
        ]  # fmt: skip


CLASSES: list[Any] = [
    ProviderTree,
    Claim,
    Worker,
    Batch,
    Receipt,
    Allocations,
    Group,
    Request,
]

NUMBERS = [
    0, 1, -1, 2, 255, 256, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**200, -(2**63), -(2**200),
    True, 0.0, 1.5, math.nan, math.inf, -math.inf, 1j,
]  # fmt: skip

TEXTS = [
    "", "VCPU", "MEMORY_MB", "CUSTOM_X", "vcpu", "host-1", "\0", "\ud800", "ü" * 300, "X" * 100_000,
    str(uuid.UUID(int=1)), str(uuid.UUID(int=3)), "urn:uuid:x", "{" + str(uuid.UUID(int=1)) + "}",
]  # fmt: skip


def plain() -> st.SearchStrategy[Any]:
    fields = st.sampled_from(
        ["uuid", "name", "generation", "inventories", "traits", "aggregates", "total", "links"]
    )
    # Objects of the world are named by their number, so that what fails can be seen and made again.
    objects = st.integers(0, 31).map(lambda number: ("object", number))
    leaves = st.one_of(
        objects,
        st.sampled_from(NUMBERS),
        st.sampled_from(TEXTS),
        st.none(),
        st.just(...),
        st.builds(object),
        st.builds(Odd),
        st.builds(Broken),
        st.just(uuid.UUID(int=3)),
        st.binary(max_size=16),
        st.just(int),
    )
    keys = st.one_of(objects, st.sampled_from(TEXTS), fields, st.integers(), st.none())
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda it: ("list", it)),
            st.lists(inner, max_size=3).map(lambda it: ("generator", it)),
            st.lists(st.tuples(keys, inner), max_size=3).map(lambda it: ("dict", it)),
        ),
        max_leaves=8,
    )


PLAIN = plain()


def real(world: World, given: Any) -> Any:
    """Makes of a description what it describes, in a world."""
    match given:
        case ("object", number):
            return world.objects[number % len(world.objects)]
        case ("list", items):
            return [real(world, item) for item in items]
        case ("generator", items):
            return (real(world, item) for item in items)
        case ("dict", pairs):
            made = {}
            for key, value in pairs:
                key = real(world, key)
                try:
                    made[key] = real(world, value)
                except TypeError:
                    pass
            return made
    return given


KEYWORDS = [
    "amounts", "consumer", "tag", "chains", "generations", "expect", "inventories", "update_inventories",
    "remove_inventories", "traits", "add_traits", "aggregates", "deadline", "now", "at_least", "wrong", "limit",
    "seed", "order", "part", "scores", "tries", "everything", "steps", "root", "cost", "below", "groups", "required",
    "any_of", "forbidden", "member_of", "in_tree", "isolate", "same_subtree",
]  # fmt: skip


def methods(target: Any) -> list[str]:
    skipped = {
        "__class__", "__getattribute__", "__init_subclass__", "__subclasshook__", "__dir__", "__doc__", "__new__",
        "__module__", "__setattr__", "__delattr__", "__sizeof__", "__slotnames__",
    }  # fmt: skip
    return [name for name in dir(type(target)) if name not in skipped]


def survives(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception as error:
        assert "Panic" not in type(error).__name__
    except BaseException as error:
        raise AssertionError(f"raised {type(error).__name__}: {error}") from error


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_no_argument_makes_a_method_panic(data: st.DataObject) -> None:
    world = World()
    for _ in range(4):
        target = world.objects[data.draw(st.integers(0, len(world.objects) - 1))]
        name = data.draw(st.sampled_from(methods(target)))
        arguments = data.draw(st.lists(PLAIN, max_size=3))
        keywords = data.draw(st.dictionaries(st.sampled_from(KEYWORDS), PLAIN, max_size=2))

        def call() -> object:
            method = getattr(target, name)
            if not callable(method):
                return repr(method)
            made = [real(world, it) for it in arguments]
            result = method(*made, **{key: real(world, it) for key, it in keywords.items()})
            return repr(result)

        survives(call)
    # The world is whole still.
    world.tree.providers()
    repr(world.objects)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(CLASSES), st.lists(PLAIN, max_size=4), st.data())
def test_no_argument_makes_a_class_panic(
    class_: Any, arguments: list[Any], data: st.DataObject
) -> None:
    world = World()
    keywords = data.draw(st.dictionaries(st.sampled_from(KEYWORDS), PLAIN, max_size=3))

    def call() -> object:
        made = [real(world, it) for it in arguments]
        return repr(class_(*made, **{key: real(world, it) for key, it in keywords.items()}))

    survives(call)


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("amount", [-1, 2**64, -(2**200), 2**200])
def test_numbers_out_of_range_overflow(world: World, amount: int) -> None:
    host = world.tree["host-1"]
    worker = world.tree.worker()
    calls: list[Callable[[], object]] = [
        lambda: Claim({host: {"VCPU": amount}}),
        lambda: Claim().take(host, "VCPU", amount),
        lambda: Claim(tag=amount),
        lambda: Claim(generations={host: amount}),
        lambda: worker.take(host, {"VCPU": amount}),
        lambda: worker.expire(amount),
        lambda: worker.lease(Claim({host: {"VCPU": 1}}), amount),
        lambda: worker.claim_gang([], amount),
        lambda: worker.replace(Claim({host: {"VCPU": 1}}, consumer=uuid.uuid4()), amount),
        lambda: world.tree.configure(host, traits=[], expect=amount),
        lambda: world.tree.configure(host, inventories={"VCPU": amount}),
        lambda: world.tree.configure(host, inventories={"VCPU": {"total": amount}}),
        lambda: Receipt(uuid.uuid4(), amount),
        lambda: Expect.generation(amount),
    ]
    for call in calls:
        with pytest.raises(OverflowError):
            call()


@pytest.mark.parametrize("wrong", [7, None, 1.5, b"x", [], {}, object()], ids=repr)
def test_wrong_types_are_told_apart(world: World, wrong: Any) -> None:
    host = world.tree["host-1"]
    worker = world.tree.worker()
    calls: list[Callable[[], object]] = [
        lambda: worker.claim(wrong),
        lambda: worker.release(wrong),
        lambda: worker.commit(wrong),
        lambda: worker.cancel(wrong),
        lambda: worker.claim_gang([wrong], 0),
        lambda: Claim().take(wrong, "VCPU", 1),
        lambda: Claim().take(host, wrong, 1),
        lambda: Claim().for_consumer(wrong),
        lambda: Batch().claim(wrong),
        lambda: Batch().release(wrong),
        lambda: Batch().cordon(wrong),
        lambda: world.tree.usage(wrong, "VCPU"),
        lambda: world.tree.usage(host, wrong),
        lambda: world.tree.allocations(wrong),
        lambda: world.tree.find(wrong),
        lambda: world.tree.populate([[wrong]]),  # type: ignore[list-item]
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()


def test_wrong_texts_are_told_apart(world: World) -> None:
    host = world.tree["host-1"]
    worker = world.tree.worker()
    calls: list[Callable[[], object]] = [
        lambda: worker.release("host-1"),
        lambda: Claim(consumer=""),
        lambda: Claim().take(host, "", 1),
        lambda: Claim().take(host, "\ud800", 1),
        lambda: world.tree.allocations("x" * 100_000),
        lambda: world.tree.create_root("host-3", "host-3"),
        lambda: world.tree.configure(host, inventories={"VCPU": {"wrong": 1}}),
    ]
    for call in calls:
        with pytest.raises(ValueError):
            call()


def test_one_text_is_no_list_of_texts(world: World) -> None:
    host = world.tree["host-1"]
    with pytest.raises(TypeError, match="iterable"):
        world.tree.configure(host, traits="CUSTOM_X")
    with pytest.raises(TypeError, match="iterable"):
        world.tree.worker().claim_gang("x", 0)  # type: ignore[arg-type]


def test_what_numpy_counts_with_counts(world: World) -> None:
    numpy = pytest.importorskip("numpy")
    host = world.tree["host-1"]
    world.tree.configure(host, inventories={"VCPU": numpy.int64(3)}, expect=numpy.uint32(1))
    assert world.tree.usage(host, "VCPU").capacity == 3


def test_objects_are_not_made_by_hand() -> None:
    for name in ("Provider", "Worker", "Lease", "Issued", "Partial", "Configuration", "Usage"):
        with pytest.raises(TypeError):
            getattr(provider_tree, name)()


def test_a_worker_is_not_copied(world: World) -> None:
    for it in (world.tree.worker(), world.tree.issue(), Batch()):
        with pytest.raises(TypeError):
            copy.copy(it)


class Growing:
    """Adds an item to a dict when it is read as a number, or as items."""

    def __init__(self, changed: dict[Any, Any]) -> None:
        self.changed = changed

    def __index__(self) -> int:
        self.changed[f"CUSTOM_{len(self.changed)}"] = 1
        return 1

    def __iter__(self) -> Any:
        self.changed[f"more_{len(self.changed)}"] = 1
        return iter(["CUSTOM_A"])


def test_a_mapping_may_change_while_it_is_read() -> None:
    tree = ProviderTree()
    host = tree.create_root("host-1")
    tree.configure(host, inventories={"VCPU": 8})
    worker = tree.worker()
    given: dict[Any, Any] = {}

    def grow(key: Any) -> dict[Any, Any]:
        nonlocal given
        given = {}
        given[key] = Growing(given)
        return given

    worker.take(host, grow("VCPU"))
    tree.configure(host, inventories={"VCPU": grow("total")})
    assert Claim({host: grow("VCPU")}).amounts == [(host, "VCPU", 1)]
    Claim({host: {"VCPU": 1}}, generations=grow(host))
    Request(grow("VCPU"))
    assert len(given) == 2  # Each has grown, and what was added was not read.
    tree.configure(host, traits=Growing(given))
    assert tree.configuration(host).traits == {"CUSTOM_A"}


ODD: Any = 4
TEXT: Any = "host-1"


def wrong(amount: Any) -> dict[str, int]:
    return {"VCPU": amount}


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda tree, host: Claim({host: {"VCPU": -1}}), OverflowError, "VCPU is an int from 0 to 2**64 - 1, not -1"),
        (lambda tree, host: Claim({host: wrong("4")}), TypeError, "VCPU is an int from 0 to 2**64 - 1, not a str"),
        (lambda tree, host: Claim().take(host, "VCPU", -1), OverflowError, "the amount of VCPU is an int from 0"),
        (lambda tree, host: Claim().take_with_ancestors(host, "VCPU", 2**64), OverflowError, "the amount of VCPU is"),
        (lambda tree, host: tree.configure(host, inventories={"VCPU": 1.5}), TypeError, "the total of an inventory is"),
        (
            lambda tree, host: tree.configure(host, inventories={"VCPU": {"total": 1, "reserved": -1}}),
            OverflowError,
            'the field "reserved" of an inventory is an int from 0',
        ),
        (lambda tree, host: Claim({host: ODD}), TypeError, "a mapping is needed here, not an int"),
        (lambda tree, host: Claim({TEXT: {"VCPU": 1}}), TypeError, 'such as tree["name or uuid"] returns, not a str'),
        (lambda tree, host: tree.children("host-1"), TypeError, 'such as tree["name or uuid"] returns, not a str'),
        (lambda tree, host: Claim(consumer="bob"), ValueError, '"bob" is no uuid; uuid.uuid5 makes one of a name'),
        (lambda tree, host: Claim(consumer=ODD), TypeError, "a Lease or an Issued, not an int"),
    ],
)
def test_what_is_wrong_is_said(call: Any, error: type[Exception], text: str) -> None:
    tree = ProviderTree()
    with pytest.raises(error) as caught:
        call(tree, tree.create_root("host-1"))
    assert text in str(caught.value)

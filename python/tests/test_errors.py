"""What can go wrong: each class is raised with the attributes that it declares."""

import copy
import inspect
import pickle
import threading
import types
import typing
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from provider_tree import Batch, Claim, Provider, ProviderTree, Worker, errors

HOST = str(uuid.UUID(int=1))
VM = str(uuid.UUID(int=2))


class Scene:
    """A host of 8 VCPU with a worker, and another forest."""

    def __init__(self) -> None:
        self.tree = ProviderTree()
        self.host = self.tree.create_root("host-1", HOST)
        vcpu = {"total": 8, "max_unit": 8, "step_size": 1}
        self.tree.configure(self.host, inventories={"VCPU": vcpu, "MEMORY_MB": 2**63})
        self.worker = self.tree.worker()
        self.foreign = ProviderTree().create_root("host-1")

    def claim(self, amount: int = 1, consumer: str | None = VM) -> Claim:
        return Claim({self.host: {"VCPU": amount}}, consumer=consumer)


def twice(call: Callable[[], object]) -> None:
    call()
    call()


def removed(scene: Scene) -> None:
    scene.tree.remove(scene.host)
    scene.worker.claim(scene.claim())


def has_children(scene: Scene) -> None:
    scene.tree.create_child(scene.host, "host-1-numa-0")
    scene.tree.remove_leaf(scene.host)


def in_use(scene: Scene) -> None:
    scene.worker.claim(scene.claim(3))
    scene.tree.remove(scene.host)


def cordoned(scene: Scene) -> None:
    scene.tree.cordon(scene.host)
    scene.worker.claim(scene.claim())


def unit_violation(scene: Scene) -> None:
    scene.tree.configure(scene.host, update_inventories={"VCPU": {"step_size": 2}})
    scene.worker.claim(scene.claim(3))


def consumer_exists(scene: Scene) -> None:
    scene.worker.claim(scene.claim(1))
    scene.worker.claim(scene.claim(2))


def not_issued(scene: Scene) -> None:
    receipt = scene.worker.claim(scene.claim(consumer=None))
    scene.worker.release(receipt)
    scene.worker.claim(scene.claim(consumer=receipt.consumer))


def lease_ended(scene: Scene) -> None:
    scene.worker.confirm(scene.worker.lease(scene.claim(), 5), now=5)


def foreign_lease(scene: Scene) -> None:
    lease = scene.worker.lease(scene.claim(), 5)
    ProviderTree().worker().cancel(lease)


def not_leased(scene: Scene) -> None:
    lease = scene.worker.lease(scene.claim(), 5)
    scene.worker.confirm(lease, 0)
    scene.worker.cancel(lease)


def sum_too_large(scene: Scene) -> None:
    half = 2**63
    scene.worker.claim(Claim().take(scene.host, "VCPU", half).take(scene.host, "VCPU", half))


def busy(scene: Scene) -> None:
    gang = [scene.claim(9, None) for _ in range(3000)]
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            try:
                scene.worker.claim_gang(gang, 0)
            except errors.InUseByAnotherThread:
                pass

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(1_000_000):
            scene.worker.metrics()
    finally:
        stop.set()
        thread.join()


def provider_changed(scene: Scene) -> None:
    fork = scene.tree.snapshot().fork()
    fork.claim(scene.claim())
    batch = fork.to_batch(if_unchanged=True)
    scene.worker.claim(scene.claim(consumer=None))
    scene.worker.commit(batch)


def consumer_changed(scene: Scene) -> None:
    scene.worker.claim(scene.claim())
    fork = scene.tree.snapshot().fork()
    fork.allocations(VM)
    fork.cordon(scene.host)
    batch = fork.to_batch(if_unchanged=True)
    scene.worker.release(VM)
    scene.worker.commit(batch)


def many_changes(scene: Scene) -> Callable[[], None]:
    """Returns what changes more cells than a bound of 1 allows."""
    hosts = [scene.tree.create_root(f"many-{number}") for number in range(100)]

    def change() -> None:
        for host in hosts:
            scene.tree.configure(host, traits=["CUSTOM_X"])
            scene.tree.configure(host, traits=[])

    return change


def snapshot_too_old(scene: Scene) -> None:
    change = many_changes(scene)
    snapshot = scene.tree.snapshot()
    snapshot.keep_at_most(1)
    change()
    for provider in snapshot.providers():
        snapshot.configuration(provider)


def foreign_snapshot(scene: Scene) -> None:
    scene.tree.snapshot().changes_since(ProviderTree().snapshot())


def fell_behind(scene: Scene) -> None:
    change = many_changes(scene)
    feed = scene.tree.subscribe(bound=1)
    change()
    feed.poll()


def search(scene: Scene, amount: int = 1) -> tuple[Any, Any]:
    import provider_tree

    return scene.tree.view(), provider_tree.Request({"VCPU": amount})


def invalid_request(scene: Scene) -> None:
    view, request = search(scene, 0)
    view.candidates(request)


def foreign_request(scene: Scene) -> None:
    view, request = search(scene)
    ProviderTree().view().candidates(view.prepare(request))


def no_holders(scene: Scene) -> None:
    view, request = search(scene)
    view.holders(scene.host)


def nothing_fits(scene: Scene) -> None:
    view, request = search(scene, 9)
    view.place(scene.worker, request)


def gave_up(scene: Scene) -> None:
    view, request = search(scene, 8)
    scene.worker.claim(scene.claim(8))
    view.place(scene.worker, request, tries=1)


#: By the class, what raises it.
PROVOKED: dict[str, Callable[[Scene], object]] = {
    "Removed": removed,
    "UnknownProvider": lambda it: it.tree["host-2"],
    "ForeignProvider": lambda it: it.tree.usages(it.foreign),
    "UuidExists": lambda it: it.tree.create_root("host-2", HOST),
    "NameExists": lambda it: it.tree.create_root("host-1"),
    "InvalidName": lambda it: it.tree.create_root(""),
    "HasChildren": has_children,
    "WouldCycle": lambda it: it.tree.reparent(it.host, it.host),
    "InUse": in_use,
    "GenerationConflict": lambda it: it.tree.configure(it.host, traits=[], expect=7),
    "InvalidInventory": lambda it: it.tree.configure(
        it.host, inventories={"VCPU": {"total": 1, "min_unit": 3, "max_unit": 2}}
    ),
    "NoInventory": lambda it: it.worker.take(it.host, {"PGPU": 1}),
    "CapacityExceeded": lambda it: twice(lambda: it.worker.claim(it.claim(5, None))),
    "Cordoned": cordoned,
    "UnitViolation": unit_violation,
    "ZeroAmount": lambda it: it.worker.claim(it.claim(0)),
    "SumTooLarge": sum_too_large,
    "NotTaken": lambda it: it.worker.put_back(it.host, {"VCPU": 1}),
    "EmptyClaim": lambda it: it.worker.claim(Claim(consumer=VM)),
    "ConsumerExists": consumer_exists,
    "AlreadyHeld": lambda it: twice(lambda: it.worker.claim(it.claim())),
    "NotIssued": not_issued,
    "Unnamed": lambda it: it.worker.replace(it.claim(consumer=None)),
    "TooFewFit": lambda it: it.worker.claim_gang([it.claim(), it.claim(9, None)], 2),
    "LeaseEnded": lease_ended,
    "ForeignLease": foreign_lease,
    "NotLeased": not_leased,
    "ConsumerConflict": lambda it: it.worker.replace(it.claim(), 7),
    "ConsumerNotFound": lambda it: it.worker.release(VM),
    "SnapshotTooOld": snapshot_too_old,
    "ForeignSnapshot": foreign_snapshot,
    "InvalidRequest": invalid_request,
    "NoHolders": no_holders,
    "ForeignRequest": foreign_request,
    "FellBehind": fell_behind,
    "ProviderChanged": provider_changed,
    "ConsumerChanged": consumer_changed,
    "InvalidEntries": lambda it: it.worker.commit(Batch().release(VM).release(VM)),
    "TooLarge": lambda it: it.worker.lease(it.claim(), 2**64 - 1),
    "NothingFits": nothing_fits,
    "GaveUp": gave_up,
    "InUseByAnotherThread": busy,
}

#: The classes that others are of.
BASES = {"ProviderTreeError", "Conflict"}

CLASSES = {
    name: class_
    for name, class_ in vars(errors).items()
    if inspect.isclass(class_) and issubclass(class_, errors.ProviderTreeError)
}


def provoke(name: str) -> errors.ProviderTreeError:
    try:
        PROVOKED[name](Scene())
    except errors.ProviderTreeError as error:
        return error
    raise AssertionError(f"nothing raised {name}")


def is_a(value: object, hint: Any) -> bool:
    """Returns whether a value is of a type, down to what lists and tuples hold."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return any(is_a(value, one) for one in arguments)
    if origin is list:
        return isinstance(value, list) and all(is_a(one, arguments[0]) for one in value)
    if origin is tuple:
        return (
            isinstance(value, tuple)
            and len(value) == len(arguments)
            and all(map(is_a, value, arguments))
        )
    return isinstance(value, hint)


def assert_same(one: object, other: object) -> None:
    """Asserts that two errors, or what errors hold, say the same."""
    assert type(one) is type(other)
    if isinstance(one, BaseException) and isinstance(other, BaseException):
        assert one.args == other.args
        assert_same(vars(one), vars(other))
    elif isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            assert_same(mine, theirs)
    else:
        assert one == other


def test_every_class_is_tried() -> None:
    assert CLASSES.keys() == PROVOKED.keys() | BASES


def test_every_class_is_exported() -> None:
    import provider_tree

    assert CLASSES.keys() <= set(provider_tree.__all__)
    for name in provider_tree.__all__:
        assert hasattr(provider_tree, name)


@pytest.mark.parametrize("name", PROVOKED)
def test_a_class_is_raised_with_what_it_declares(name: str) -> None:
    error = provoke(name)
    assert type(error) is CLASSES[name]
    declared = typing.get_type_hints(CLASSES[name])
    assert vars(error).keys() == declared.keys()
    for attribute, hint in declared.items():
        value = getattr(error, attribute)
        assert is_a(value, hint), f"{name}.{attribute} is {value!r}, no {hint}"
    assert str(error) and CLASSES[name].__doc__


@pytest.mark.parametrize("name", PROVOKED)
def test_an_error_can_be_pickled_and_copied(name: str) -> None:
    error = provoke(name)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert_same(pickle.loads(pickle.dumps(error, protocol)), error)
    assert_same(copy.copy(error), error)
    assert_same(copy.deepcopy(error), error)
    assert str(copy.deepcopy(error)) == str(error)


def test_a_conflict_is_what_another_state_would_let_succeed() -> None:
    conflicts = {name for name, class_ in CLASSES.items() if issubclass(class_, errors.Conflict)}
    assert conflicts - {"Conflict"} == {
        "CapacityExceeded",
        "Cordoned",
        "Removed",
        "NoInventory",
        "UnitViolation",
        "GenerationConflict",
        "ConsumerConflict",
        "ProviderChanged",
        "ConsumerChanged",
    }


def test_errors_say_what_python_expects_of_them() -> None:
    with pytest.raises(LookupError):
        ProviderTree()["host-1"]
    with pytest.raises(ValueError):
        ProviderTree().create_root("")
    with pytest.raises(RuntimeError):
        raise provoke("InUseByAnotherThread")


def test_a_refusal_carries_what_the_next_decision_needs() -> None:
    scene = Scene()
    scene.worker.claim(scene.claim(5))
    with pytest.raises(errors.CapacityExceeded) as caught:
        scene.worker.claim(scene.claim(5, None))
    error = caught.value
    assert vars(error) == {
        "provider": HOST,
        "resource_class": "VCPU",
        "requested": 5,
        "free": 3,
    }
    assert str(error) == f"5 of VCPU asked from provider {HOST}, 3 free"


def test_the_sum_of_amounts_can_be_above_64_bits() -> None:
    error = provoke("SumTooLarge")
    assert isinstance(error, errors.SumTooLarge) and error.sum == 2**64


def test_a_fault_is_a_plain_value() -> None:
    error = provoke("InvalidInventory")
    assert isinstance(error, errors.InvalidInventory)
    fault = error.fault
    assert (fault.kind, fault.min_unit, fault.max_unit) == ("MinAboveMax", 3, 2)
    assert fault == pickle.loads(pickle.dumps(fault)) == copy.deepcopy(fault)
    assert fault != 3 and "MinAboveMax" in repr(fault)
    with pytest.raises(AttributeError, match="MinAboveMax"):
        fault.nothing_of_the_kind
    with pytest.raises(TypeError):
        hash(fault)


def test_a_refused_call_changes_nothing() -> None:
    scene = Scene()
    before = scene.tree.usages(scene.host), scene.tree.configuration(scene.host).generation
    refused: list[Callable[[], object]] = [
        lambda: scene.worker.claim(scene.claim(9)),
        lambda: scene.worker.commit(Batch().claim(scene.claim(8)).claim(scene.claim(1, None))),
        lambda: scene.tree.configure(scene.host, traits=["CUSTOM_X"], expect=9),
        lambda: scene.worker.take(scene.host, {"VCPU": 1, "PGPU": 1}),
    ]
    for call in refused:
        with pytest.raises(errors.ProviderTreeError):
            call()
    assert before == (
        scene.tree.usages(scene.host),
        scene.tree.configuration(scene.host).generation,
    )
    assert isinstance(scene.host, Provider) and isinstance(scene.worker, Worker)

"""The dicts that come out have the shape that `provider_tree.types` says."""

import types
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict
from uuid import uuid4

import pytest

import provider_tree.types
from provider_tree import Batch, Claim, Group, ProviderTree, Request
from provider_tree.types import Audit, Changes, Dump, Memory, Overcommitted, ProviderRow, Touched, Why


def check(value: Any, shape: Any) -> None:
    """Asserts that a value has a shape."""
    if is_typeddict(shape):
        fields = get_type_hints(shape)
        assert shape.__required_keys__ <= value.keys() <= fields.keys(), shape
        for name, field in value.items():
            check(field, fields[name])
        return
    origin, of = get_origin(shape), get_args(shape)
    if origin is list:
        assert type(value) is list
        for item in value:
            check(item, of[0])
    elif origin is dict:
        assert type(value) is dict
        for key, item in value.items():
            check(key, of[0])
            check(item, of[1])
    elif origin is tuple:
        assert type(value) is tuple and len(value) == len(of)
        for item, one in zip(value, of, strict=True):
            check(item, one)
    elif origin in (Union, types.UnionType):
        if value is not None:
            (some,) = [one for one in of if one is not type(None)]
            check(value, some)
        else:
            assert type(None) in of
    else:
        assert type(value) is shape, (value, shape)


@pytest.fixture
def tree() -> ProviderTree:
    tree = ProviderTree()
    row: ProviderRow = {
        "uuid": uuid4(),
        "name": "host-1",
        "inventories": {"VCPU": 16, "MEMORY_MB": {"total": 64, "max_unit": 32, "allocation_ratio": 1.5}},
        "traits": ["CUSTOM_FAST"],
        "aggregates": [uuid4()],
        "links": [],
    }
    (host,) = tree.populate([row])
    tree.create_child(host, "first")
    tree.cordon(tree.create_child(host, "second"))
    worker = tree.worker()
    worker.claim(Claim({host: {"VCPU": 4}}, tag=7))
    worker.lease(Claim({host: {"VCPU": 1}}), 100)
    worker.take(host, {"VCPU": 2})
    return tree


def test_what_a_snapshot_says(tree: ProviderTree) -> None:
    empty = ProviderTree()
    feed, before = empty.subscribe(), empty.snapshot()
    root = empty.create_root("root")
    empty.create_root("other")
    touched, changes = empty.subscribe(before).poll_touched(), feed.poll()
    check(touched, Touched)
    check(changes, Changes)
    assert sorted(each["after"]["previous"] or "" for each in changes["providers"] if each["after"]) == ["", root.uuid]
    check(tree.snapshot().dump(), Dump)
    check(tree.memory(), Memory)
    before = tree.snapshot()
    assert tree.snapshot().changes_since(before)["providers"] == []
    tree.configure(tree["host-1"], update_inventories={"VCPU": 5})
    for consumer in before.consumers():
        tree.worker().release(consumer)
    tree.worker().take(tree["host-1"], {"MEMORY_MB": 8})
    tree.remove_leaf(tree["second"])
    changes = tree.snapshot().changes_since(before)
    check(changes, Changes)
    assert {len(changes["providers"]), len(changes["consumers"])} == {2}
    used = {each["provider"]: each["after"] and each["after"]["dump"]["used"] for each in changes["providers"]}
    assert used[tree["host-1"].uuid] == {
        "MEMORY_MB": {"used": 8, "taken": 8},
        "VCPU": {"used": 2, "taken": 2},
    }
    assert None in used.values()


def test_what_an_audit_says(tree: ProviderTree) -> None:
    tree.configure(tree["host-1"], update_inventories={"VCPU": 1})
    over = tree.snapshot().overcommitted()
    assert len(over) == 1
    check(over, list[Overcommitted])
    check(tree.snapshot().audit(), Audit)


def test_why_not(tree: ProviderTree) -> None:
    view = tree.view()
    request = Request({"VCPU": 2**40}, groups={"gpu": Group({"PGPU": 1})})
    check(view.why(request), Why)
    assert view.why(request)["groups"] == [("gpu", 1)]
    short = view.why(Request({"VCPU": 17}))
    check(short, Why)
    assert short["short"] == [("VCPU", 1)]
    assert view.why(Request({"MEMORY_MB": 33}))["groups"] == [(None, 1)]
    tree.cordon(tree["host-1"])
    assert view.why(Request({"VCPU": 1}))["fitting"] == 1
    view.refresh()
    assert view.why(Request({"VCPU": 1}))["short"] == [("VCPU", 1)]


def test_all_shapes_are_named() -> None:
    shapes = {name for name, it in vars(provider_tree.types).items() if is_typeddict(it)}
    assert shapes <= set(provider_tree.types.__all__)
    row: ProviderRow = {"uuid": str(uuid4()), "name": "host-9"}
    assert repr(Batch().create(row)).startswith("<Provider")

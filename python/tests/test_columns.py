"""Columns: what is free in each tree, as NumPy and other readers of buffers see it."""

import gc
import io
import weakref
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from provider_tree import Column, ProviderTree, Request, View, errors


@pytest.fixture
def tree() -> ProviderTree:
    tree = ProviderTree()
    for number in range(100):
        host = tree.create_root(f"host-{number}")
        tree.configure(host, inventories={"VCPU": 100 - number, "MEMORY_MB": 1_000 + number})
    return tree


def test_a_column_is_a_sequence(tree: ProviderTree) -> None:
    column = tree.view().free("VCPU")
    assert len(column) == 100
    assert list(column) == list(range(100, 0, -1))
    assert column[0] == 100 and column[-1] == 1 and column[99] == 1
    for index in (100, -101, 2**40):
        with pytest.raises(IndexError):
            column[index]
    strange: list[Any] = ["0", 0.5, None, slice(1)]
    for index in strange:
        with pytest.raises(TypeError):
            column[index]
    assert repr(column) == "<Column of 100 trees: 100, 99, 98, 97, 96, 95, 94, 93, ..>"
    assert list(tree.view().free("CUSTOM_NONE")) == [0] * 100


def test_numpy_reads_a_column_in_place(tree: ProviderTree) -> None:
    column = tree.view().free("VCPU")
    array: NDArray[np.uint64] = np.asarray(column)
    assert array.dtype == np.uint64 and array.shape == (100,) and not array.flags.writeable
    assert array.tolist() == list(column)
    again = np.asarray(column)
    assert np.shares_memory(array, again) and np.shares_memory(array, np.frombuffer(column, dtype=np.uint64))  # type: ignore[call-overload]
    assert not np.shares_memory(array, np.asarray(tree.view().free("VCPU")))
    with pytest.raises(ValueError):
        array[0] = 1
    with pytest.raises(ValueError):
        array.flags.writeable = True


def test_an_array_keeps_its_column(tree: ProviderTree) -> None:
    arrays = [np.asarray(tree.view().free("VCPU")) for _ in range(100)]
    gc.collect()
    junk = [bytes(800) for _ in range(1_000)]
    assert all(int(array.sum()) == 5_050 for array in arrays)
    del junk


def test_a_column_stays_as_it_is_while_the_view_goes_on(tree: ProviderTree) -> None:
    view = tree.view()
    column = view.free("VCPU")
    host = tree.find("host-0")
    assert host is not None
    tree.worker().take(host, {"VCPU": 60})
    view.refresh()
    assert column[0] == 100 and view.free("VCPU")[0] == 40
    tree.cordon(host)
    view.refresh()
    assert view.free("VCPU")[0] == 0


def test_a_buffer_gives_what_is_asked_for(tree: ProviderTree) -> None:
    column = tree.view().free("VCPU")
    with memoryview(column) as memory:
        assert memory.format == "Q" and memory.itemsize == 8 and memory.ndim == 1
        assert memory.shape == (100,) and memory.strides == (8,) and memory.readonly and memory.c_contiguous
        assert memory.tolist() == list(column)
        with pytest.raises(TypeError):
            memory[0] = 1
    raw = bytes(column)
    assert len(raw) == 800 and int.from_bytes(raw[:8], "little") == 100
    # Readers that want to write, as readinto does, are refused.
    with pytest.raises(TypeError):
        io.BytesIO(bytes(800)).readinto(column)
    empty = ProviderTree().view().free("VCPU")
    assert np.asarray(empty).shape == (0,) and list(empty) == []


def test_numpy_decides(tree: ProviderTree) -> None:
    view = tree.view()
    prepared = view.prepare(Request({"VCPU": 4}))
    score = np.asarray(view.free("VCPU")).astype(np.int64) * 10 - np.asarray(view.free("MEMORY_MB")).astype(np.int64)
    best = int(score.argmin())
    assert view.candidates(prepared, root=best, limit=1) == []  # The tree with the least has too little.
    found = view.best(prepared, 3, score)
    names = [tree.configuration(it.root).name for it in found]
    assert names == ["host-96", "host-95", "host-94"]
    assert [view.number_of(it.root) for it in found] == [96, 95, 94]
    roots = view.roots()
    assert [roots[96], roots[95], roots[94]] == [it.root for it in found]


@pytest.mark.parametrize("kind", [np.float64, np.int64, np.uint64])
def test_the_lowest_scores_come_first(tree: ProviderTree, kind: Any) -> None:
    view = tree.view()
    request = Request({"VCPU": 1})
    numbers = np.arange(100)
    lowest = (numbers * 37 % 100).astype(kind)
    wanted = sorted(range(100), key=lambda number: number * 37 % 100)
    for count in (0, 1, 2, 31, 32, 33, 64, 100, 1_000, 2**62):
        found = view.best(request, count, lowest)
        assert [view.number_of(it.root) for it in found] == wanted[:count]
    never = np.iinfo(kind).max if kind is not np.float64 else np.inf
    some = np.where(numbers % 2 == 0, lowest, never).astype(kind)
    for count in (1, 32, 33, 100):
        found = view.best(request, count, some)
        assert [view.number_of(it.root) for it in found] == [it for it in wanted if it % 2 == 0][:count]
    assert view.best(request, 5, np.full(100, never, dtype=kind)) == []


def test_scores_below_zero_and_odd_floats(tree: ProviderTree) -> None:
    view = tree.view()
    request = Request({"VCPU": 1})

    def best(scores: Any) -> list[int]:
        return [view.number_of(it.root) for it in view.best(request, 4, scores)]

    floats = np.full(100, np.nan)
    floats[:6] = [0.0, -0.0, -np.inf, 1e-310, -5.0, np.inf]
    assert best(floats) == [2, 4, 0, 1]
    signed = np.full(100, 9)
    signed[[3, 50, 70]] = [-1, np.iinfo(np.int64).min, 0]
    assert best(signed) == [50, 3, 70, 0]
    assert best(np.asarray(view.free("VCPU"))) == [99, 98, 97, 96]
    assert best(view.free("VCPU")) == [99, 98, 97, 96]
    assert best(np.arange(200.0)[::-2]) == [99, 98, 97, 96]


@pytest.mark.parametrize(
    "scores",
    [None, 5, [1.0] * 100, "x" * 100, b"x" * 100, np.zeros((10, 10)), np.zeros(100, np.float32), np.array(1.0)],
)
def test_what_are_no_scores_is_refused(tree: ProviderTree, scores: Any) -> None:
    with pytest.raises(TypeError):
        tree.view().best(Request({"VCPU": 1}), 1, scores)


def test_too_few_scores_are_refused(tree: ProviderTree) -> None:
    view, worker, request = tree.view(), tree.worker(), Request({"VCPU": 1})
    with pytest.raises(ValueError):
        view.best(request, 1, np.zeros(99))
    with pytest.raises(ValueError):
        view.place(worker, request, scores=np.zeros(99))


def test_scores_decide_where_something_is_placed(tree: ProviderTree) -> None:
    view, worker = tree.view(), tree.worker()
    prepared = view.prepare(Request({"VCPU": 2}))
    scores = np.zeros(100)
    scores[[7, 20]] = [-1, -2]
    roots = view.roots()
    placed = [view.place(worker, prepared, scores=scores).candidate.root for _ in range(41)]
    assert placed == [roots[20]] * 40 + [roots[7]]
    with pytest.raises(errors.NothingFits):
        view.place(worker, prepared, scores=np.full(100, np.inf))


@pytest.mark.parametrize("tries", [0, 1, 2, 3, 4, 8])
def test_scores_are_for_the_trees_that_had_the_numbers(tries: int) -> None:
    tree = ProviderTree()
    first, second, third = (tree.create_root(name) for name in "abc")
    for host in (first, second, third):
        tree.configure(host, inventories={"VCPU": 4})
    view, worker = tree.view(), tree.worker()
    assert view.roots() == [first, second, third]
    # Only the first may be chosen: it goes, and another one gets its number while the call goes on.
    tree.remove(first)
    new = tree.create_root("d")
    tree.configure(new, inventories={"VCPU": 4})
    with pytest.raises((errors.NothingFits, errors.GaveUp)):
        view.place(worker, Request({"VCPU": 1}), tries=tries, scores=np.array([0, np.inf, np.inf]))
    view.refresh()
    assert view.roots() == [new, second, third]
    placed = view.place(worker, Request({"VCPU": 1}), tries=tries, scores=np.array([0, np.inf, np.inf]))
    assert placed.candidate.root == new


def test_numbers_have_gaps_after_removals(tree: ProviderTree) -> None:
    view = tree.view()
    gone = tree.find("host-3")
    assert gone is not None
    tree.remove(gone)
    view.refresh()
    roots = view.roots()
    assert view.trees == 99 and len(view.free("VCPU")) >= len(roots)
    for number, root in enumerate(roots):
        if root is not None:
            assert view.number_of(root) == number
            assert view.free("VCPU")[number] == tree.usage(root, "VCPU").free
    with pytest.raises(ValueError):
        view.number_of(gone)


def test_columns_are_freed() -> None:
    class Holder:
        column: Column

    tree = ProviderTree()
    tree.configure(tree.create_root("host"), inventories={"VCPU": 1})
    holder = Holder()
    holder.column = tree.view().free("VCPU")
    dead = weakref.ref(holder)
    del holder
    gc.collect()
    assert dead() is None


def test_a_view_is_named_in_help() -> None:
    for kind in (View, Column, Request):
        assert kind.__doc__ and kind.__module__ == "provider_tree"

"""Several threads at once: nothing is oversold, nobody waits for ever, one view is for one thread."""

import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from provider_tree import Claim, ProviderTree, Request, errors

EXAMPLE = Path(__file__).parent.parent / "examples" / "scheduler.py"


def forest(hosts: int, vcpus: int = 16) -> ProviderTree:
    tree = ProviderTree()
    for number in range(hosts):
        tree.configure(tree.create_root(f"host-{number}"), inventories={"VCPU": vcpus})
    return tree


def together(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Returns what `work` returns in each of so many threads, which begin at once."""
    barrier = threading.Barrier(count)

    def begin(number: int) -> Any:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


@pytest.mark.parametrize("at_once", [1, 7])
def test_threads_place_as_many_as_fit(at_once: int) -> None:
    tree = forest(50)

    def fill(number: int) -> int:
        view, placed = tree.view(), 0
        with tree.worker() as worker:
            prepared = view.prepare(Request({"VCPU": 4}))
            while True:
                try:
                    found = view.place_each(worker, prepared, at_once, part=(number, 4))
                except errors.GaveUp:
                    continue
                if not found:
                    return placed
                placed += len(found)

    assert sum(together(4, fill)) == 50 * 4
    audit = tree.snapshot().audit()
    assert audit["differences"] == [] and audit["overcommitted"] == [] and audit["consumers"] == 200


def test_threads_place_and_release() -> None:
    tree = forest(20)

    def churn(number: int) -> None:
        view, worker = tree.view(holders=True), tree.worker()
        prepared = view.prepare(Request({"VCPU": 3}))
        for turn in range(200):
            try:
                placed = view.place(worker, prepared, Claim(tag=turn), seed=number)
            except (errors.NothingFits, errors.GaveUp):
                continue
            if turn % 3:
                worker.release(placed.receipt)
                view.released(placed)
            if turn % 20 == 0:
                view.refresh()
                view.evict(view.prepare(Request({"VCPU": 16})), below=turn)

    together(4, churn)
    assert tree.snapshot().audit()["differences"] == []


def test_one_view_is_for_one_thread() -> None:
    tree = forest(5)
    view, worker = tree.view(), tree.worker()
    prepared = view.prepare(Request({"VCPU": 1}))
    refused: list[int] = []

    def use(number: int) -> None:
        for _ in range(30):
            try:
                placed = view.place_each(worker, prepared, 20)
                view.release_each(worker, placed)
            except errors.InUseByAnotherThread:
                refused.append(number)

    together(4, use)
    view.refresh()
    assert tree.snapshot().audit()["differences"] == []


def test_a_feed_that_waits_is_in_use_and_lets_others_go_on() -> None:
    tree = forest(1)
    feed = tree.subscribe()
    waiting = threading.Event()

    def wait() -> bool:
        waiting.set()
        return feed.wait(30)

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(wait)
        waiting.wait()
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                feed.poll()
            except errors.InUseByAnotherThread:
                break
        else:
            pytest.fail("the feed was never in use")
        assert "in use" in repr(feed)
        tree.create_root("another")
        assert future.result(timeout=10)


def test_snapshots_are_read_by_all() -> None:
    tree = forest(30)
    view, worker = tree.view(), tree.worker()
    view.place_each(worker, Request({"VCPU": 2}), 100)
    snapshot = tree.snapshot()
    wanted = snapshot.dump()

    def read(number: int) -> bool:
        if number == 0:
            view.place_each(worker, Request({"VCPU": 1}), 40)
        return snapshot.dump() == wanted and snapshot.audit()["differences"] == []

    assert all(together(4, read))


def test_long_calls_let_other_threads_run() -> None:
    tree = forest(3_000)
    stop = threading.Event()
    turns = 0

    def count() -> None:
        nonlocal turns
        while not stop.is_set():
            turns += 1
            time.sleep(0)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        for call in (lambda: tree.snapshot().audit(), lambda: tree.view(), lambda: tree.view().refresh()):
            before = turns
            end = time.monotonic() + 10
            while turns == before and time.monotonic() < end:
                call()
            assert turns > before
    finally:
        stop.set()
        thread.join()


def test_a_program_ends_while_its_threads_wait_and_place() -> None:
    program = """
import threading
from provider_tree import ProviderTree, Request
tree = ProviderTree()
tree.configure(tree.create_root("host"), inventories={"VCPU": 1_000})
begun = threading.Barrier(3)
def wait():
    feed = tree.subscribe(tree.snapshot())
    begun.wait()
    while True:
        feed.wait(60)
def place():
    view, worker = tree.view(), tree.worker()
    begun.wait()
    while True:
        view.release_each(worker, view.place_each(worker, Request({"VCPU": 1}), 100))
for work in (wait, place):
    threading.Thread(target=work, daemon=True).start()
begun.wait()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE))["main"](200, 4, 0.3)
    out = capsys.readouterr().out
    assert "jobs placed" in out and "add up" in out

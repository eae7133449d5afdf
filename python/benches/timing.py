"""Times calls: how long one takes, on the clock and of the processor."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def per_call(call: Callable[[int], object], seconds: float, rounds: int) -> tuple[float, float]:
    """Returns how many microseconds a call takes on the clock, and of the processor: the least of some rounds.

    A round is of so many calls, with the numbers from 0 on, that all rounds together take about so long; of one
    at least. As in `timeit`, nothing is collected meanwhile.
    """
    begin = time.perf_counter()
    call(0)
    once = time.perf_counter() - begin
    calls = max(1, min(20_000, int(seconds / rounds / max(once, 1e-7))))
    if once > seconds / rounds:
        rounds = 1
    wall, processor = [], []
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            begin, begin_processor = time.perf_counter(), time.process_time()
            for number in range(calls):
                call(number)
            wall.append((time.perf_counter() - begin) / calls)
            processor.append((time.process_time() - begin_processor) / calls)
    finally:
        gc.enable()
    return min(wall) * 1e6, min(processor) * 1e6


def shown(microseconds: float) -> str:
    """Returns a time with a unit that suits it."""
    for factor, unit in ((1e6, "s"), (1e3, "ms")):
        if microseconds >= factor:
            return f"{microseconds / factor:.3g} {unit}"
    return f"{microseconds:.3g} us"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Returns rows of cells as a table, the first column to the left and the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows)]
    lines = []
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [cell.rjust(width) for cell, width in zip(row, widths)]
        cells[0] = row[0].ljust(widths[0])
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)

"""The benchmarks run, briefly: here it matters that they do, not how fast."""

import pathlib
import subprocess
import sys

import pytest

BENCHES = pathlib.Path(__file__).parents[1] / "benches"


@pytest.mark.parametrize("name", ["beside_nova", "native", "threads"])
def test_a_benchmark_runs(name: str, tmp_path: pathlib.Path) -> None:
    command = [sys.executable, "-W", "ignore", str(BENCHES / f"{name}.py"), "--brief"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.strip()]
    assert len(rows) > 6, done.stdout

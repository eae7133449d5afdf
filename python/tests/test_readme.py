"""What the README and the docstring of the package show is what happens."""

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import provider_tree
import provider_tree.types

README = Path(__file__).parent.parent / "README.md"


def blocks_of(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = blocks_of("python")
    assert len(blocks) == 5
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, README.name, "exec"), names)
    shown = capsys.readouterr().out
    assert "1 asked, 0 free" in shown or "4 asked" in shown
    assert "no tree has room" in shown
    assert "CapacityExceeded" in shown
    assert all(usage.used == 0 for usage in names["tree"].usages(names["host"]).values())


def test_a_feed_is_followed_to_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in blocks_of("python"):
        exec(compile(block, README.name, "exec"), names)
    with names["tree"].worker() as worker:
        worker.release(worker.claim(names["Claim"]({names["host"]: {"VCPU": 1}})))
        worker.claim(names["Claim"]({names["host"]: {"VCPU": 1}}))
    feed, apply = names["feed"], names["apply"]

    def apply_and_end(changes: Any) -> None:
        apply(changes)
        names["stop"].set()

    names["apply"] = apply_and_end
    names["follow"]()
    assert "'amount': 1" in capsys.readouterr().out and not feed.wait(0)


def test_a_type_checker_takes_the_examples(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    # Without what is not typed: the module in the place of Nova's.
    blocks = [block for block in blocks_of("python") if "nova" not in block]
    assert len(blocks) == 4
    file = tmp_path / "readme.py"
    file.write_text("\n".join(blocks))
    call = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path}/cache", str(file)]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_timing_runs() -> None:
    (block,) = [block for block in blocks_of("sh") if "timeit" in block]
    words = shlex.split(block)
    assert words[0] == "python"
    done = subprocess.run([sys.executable, *words[1:3], "-n", "2", *words[3:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_the_readme_names_is_there() -> None:
    text = README.read_text()
    for name in re.findall(r"`(?:errors\.)?([A-Z][A-Za-z]+)`", text):
        assert hasattr(provider_tree, name) or name in provider_tree.types.__all__, name
    owners = [getattr(provider_tree, name) for name in provider_tree.__all__]
    attributes = {attribute for owner in owners for attribute in dir(owner)}
    table = text[text.index("| to | use |") : text.index("`help(")]
    for code in re.findall(r"`([^`]+)`", table):
        for name in re.findall(r"\b([a-z_]+)(?=\(|$)", code.split("(")[0] + "("):
            assert name in attributes or name in {"tree", "worker", "claim"}, name


def test_the_docstring_shows_what_happens() -> None:
    outcome = doctest.testmod(provider_tree)
    assert outcome.attempted > 0 and outcome.failed == 0

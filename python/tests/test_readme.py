"""What the README and the docstring of the package show is what happens."""

import doctest
import re
from pathlib import Path
from typing import Any

import pytest

import provider_tree

README = Path(__file__).parent.parent / "README.md"


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, README.name, "exec"), names)
    shown = capsys.readouterr().out
    assert "1 asked, 0 free" in shown or "4 asked" in shown
    assert "no tree has room" in shown
    assert "CapacityExceeded" in shown
    assert all(usage.used == 0 for usage in names["tree"].usages(names["host"]).values())


def test_what_the_readme_names_is_there() -> None:
    text = README.read_text()
    for name in re.findall(r"`(?:errors\.)?([A-Z][A-Za-z]+)`", text):
        assert hasattr(provider_tree, name), name
    owners = [getattr(provider_tree, name) for name in provider_tree.__all__]
    attributes = {attribute for owner in owners for attribute in dir(owner)}
    table = text[text.index("| to | use |") : text.index("`help(")]
    for code in re.findall(r"`([^`]+)`", table):
        for name in re.findall(r"\b([a-z_]+)(?=\(|$)", code.split("(")[0] + "("):
            assert name in attributes or name in {"tree", "worker", "claim"}, name


def test_the_docstring_shows_what_happens() -> None:
    outcome = doctest.testmod(provider_tree)
    assert outcome.attempted > 0 and outcome.failed == 0

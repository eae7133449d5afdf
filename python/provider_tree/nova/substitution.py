"""Puts the module in the place of Nova's: in this process, or in every process of this environment."""

from __future__ import annotations

import os
import pathlib
import sys
import sysconfig

from provider_tree.nova import finder

_NAME = "provider_tree_nova"


def substitute() -> None:
    """Lets this process import provider-tree's module as `nova.compute.provider_tree`.

    A RuntimeError if Nova's own has been imported already: the modules that did so would keep it.
    """
    loaded = sys.modules.get(finder.REPLACED)
    if loaded is not None and getattr(loaded, "__file__", None) != finder.replacement():
        raise RuntimeError(
            f"{finder.REPLACED} is imported already: call substitute() before Nova is imported"
        )
    finder.activate()


def install() -> list[pathlib.Path]:
    """Lets every process of this environment do what `substitute` does; returns the files that were made."""
    pth, module = _files()
    _write(module, pathlib.Path(finder.__file__).read_text() + "\n\nactivate()\n")
    _write(pth, f"import {_NAME}\n")
    return [pth, module]


def _write(file: pathlib.Path, text: str) -> None:
    """Writes a file at once: a process that starts meanwhile sees the old one or the new one."""
    beside = file.with_suffix(".new")
    beside.write_text(text)
    os.replace(beside, file)


def uninstall() -> list[pathlib.Path]:
    """Ends what `install` has begun; returns the files that were removed."""
    there = [file for file in _files() if file.exists()]
    for file in there:
        file.unlink()
    return there


def _files() -> tuple[pathlib.Path, pathlib.Path]:
    """Returns the two files that `install` makes."""
    folder = pathlib.Path(sysconfig.get_path("purelib"))
    return folder / f"{_NAME}.pth", folder / f"{_NAME}.py"

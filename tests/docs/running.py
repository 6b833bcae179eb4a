"""Runs a page's commands as a reader would: in a shell, in a folder with the samples, one after the other.

What is compared is standard output, line by line; only blanks at the ends of lines are left out of account. COLUMNS is
not set, so that lines stay whole whatever the terminal.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import PROJECT_ROOT, Block, blocks_of, commands_in

_COPIED = ("samples", "tests/captures")
_UNSET = ("AOINSPECT_KEYS", "AOINSPECT_DEBUG", "COLUMNS", "FORCE_COLOR", "BASH_ENV", "PYTHONWARNINGS")

_PAGE_SECONDS = 600
"""A page that takes longer waits for something that does not come."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What one command did."""

    command: str
    output: tuple[str, ...]
    errors: str
    """Its standard error."""
    status: int


def run_page(page: str, folder: Path) -> dict[Block, list[Ran]]:
    """Each block of `page` that is run, and what its commands did, in `folder`, which becomes the scratch folder."""
    work, results = folder / "work", folder / "results"
    results.mkdir()
    for name in _COPIED:
        shutil.copytree(PROJECT_ROOT / name, work / name)
    blocks = [block for block in blocks_of(page) if block.is_run]
    commands = [(block, command) for block in blocks for command in _commands(block, blocks)]
    script = folder / "page.sh"
    script.write_text(_script([command for _, command in commands], results), encoding="utf-8")
    subprocess.run(
        ["bash", str(script)],
        cwd=work,
        env=_environment(folder),
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=_PAGE_SECONDS,
    )
    ran: dict[Block, list[Ran]] = {block: [] for block in blocks}
    for number, (block, command) in enumerate(commands):
        ran[block].append(_read(command, results, number))
    return ran


def _commands(block: Block, blocks: list[Block]) -> list[str]:
    if block.language != "python":
        return commands_in(block)
    # Python goes on where the page's last block of it left off.
    so_far = [earlier for earlier in blocks[: blocks.index(block) + 1] if earlier.language == "python"]
    source = "\n".join(line for earlier in so_far for line in earlier.lines)
    return [f"python3 - <<'THE_PAGES_PYTHON'\n{source}\nTHE_PAGES_PYTHON"]


def _script(commands: list[str], results: Path) -> str:
    """One shell for all, so that a page may set variables; `$?` at a command's start is the one before's status."""
    lines = []
    for number, command in enumerate(commands):
        place = f"{results}/{number}"
        lines += ["{", command, f"}} >'{place}.out' 2>'{place}.err'"]
        lines += [f"status=$?; echo $status >'{place}.status'; (exit $status)"]
    return "\n".join(lines) + "\n"


def _environment(folder: Path) -> dict[str, str]:
    binaries = folder / "bin"
    binaries.mkdir()
    program = binaries / "aoinspect"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m aoinspect "$@"\n')
    program.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
    return kept | {
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "PATH": f"{binaries}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT_ROOT),
        "PYTHONIOENCODING": "utf-8",
        "TZ": "UTC",
    }


def _read(command: str, results: Path, number: int) -> Ran:
    status = results / f"{number}.status"
    if not status.exists():
        raise AssertionError(f"the shell ended before: {command}")
    output = (results / f"{number}.out").read_text(encoding="utf-8").splitlines()
    errors = (results / f"{number}.err").read_text(encoding="utf-8")
    return Ran(command, tuple(line.rstrip() for line in output), errors, int(status.read_text()))

"""What the fuzzers check holds for their own seeds; and `fuzz/` says so where its engine is not installed."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fuzz import __main__ as command
from fuzz.bounds import OutOfBoundsError, within_bounds
from fuzz.targets import TARGETS

PROJECT_ROOT = Path(__file__).resolve().parents[1]
REGRESSIONS = Path(__file__).parent / "regressions"


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_hold(name: str) -> None:
    target = TARGETS[name]
    made = list(itertools.islice(target.seeds(), 12))
    lying = sorted(path for folder in target.folders[:1] for path in folder.glob("*.pcap*"))[:4]
    seeds = made + [path.read_bytes() for path in lying]
    assert seeds
    for octets in seeds:
        within_bounds(target.check)(octets)
        within_bounds(target.check)(octets[: len(octets) // 2])
    within_bounds(target.check)(b"")


def test_every_input_that_broke_something_holds_now() -> None:
    """`tests/regressions/TARGET-...` is an input as the fuzzer found it."""
    for path in sorted(REGRESSIONS.glob("*-*")):
        target = next(name for name in sorted(TARGETS, key=len, reverse=True) if path.name.startswith(f"{name}-"))
        within_bounds(TARGETS[target].check)(path.read_bytes())


def test_an_input_that_costs_too_much_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def lingers(_: bytes) -> None:
        began = time.process_time()
        while time.process_time() < began + 0.2:
            pass

    monkeypatch.setattr("fuzz.bounds.MOST_SECONDS", 0.1)
    with pytest.raises(OutOfBoundsError, match="s of processor time for 3 octets"):
        within_bounds(lingers)(b"abc")


def test_without_atheris_a_word_says_that_nothing_was_fuzzed() -> None:
    script = (
        "import runpy, sys; sys.modules['atheris'] = None; sys.argv = ['fuzz', 'options']; "
        "runpy.run_module('fuzz', run_name='__main__')"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == command.NOT_INSTALLED + "\n"

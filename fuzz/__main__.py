"""The command: `python -m fuzz [--seconds N | --runs N] [TARGET...]`, each target in a process of its own.

What is found lies in `fuzz/found/`, one file an input; `python -m fuzz --again FILE TARGET` runs one again without the
fuzzer. What reaches something new is kept in `fuzz/corpus/TARGET/`, from which the next run goes on.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from fuzz.bounds import within_bounds
from fuzz.targets import TARGETS

HERE = Path(__file__).resolve().parent
FOUND = HERE / "found"
NOT_INSTALLED = "fuzz: skipped: atheris is not installed (pip install -e '.[fuzz]'; there are wheels for Linux)"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Coverage-guided fuzzing with atheris.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"default: all of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=120, metavar="N", help="of each target (default: 120)")
    parser.add_argument("--runs", type=int, default=-1, metavar="N", help="inputs of each target at most")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the generator (default: any)")
    parser.add_argument("--fresh", action="store_true", help="start from the seeds alone, and keep nothing")
    parser.add_argument("--again", type=Path, metavar="FILE", help="run this input instead, without the fuzzer")
    options = parser.parse_args()
    unknown = [name for name in options.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target is called {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    names = options.targets or list(TARGETS)
    if options.again is not None:
        for name in names:
            within_bounds(TARGETS[name].check)(options.again.read_bytes())
        return 0
    if not _is_installed():
        print(NOT_INSTALLED)
        return 0
    failed = [name for name in names if not _fuzz(name, options)]
    print(f"fuzz: {'found something in ' + ', '.join(failed) if failed else 'nothing found'}")
    return 1 if failed else 0


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec("atheris") is not None
    except ValueError:  # What `sys.modules` says of a module that is kept out.
        return False


def _fuzz(name: str, options: argparse.Namespace) -> bool:
    """Whether the target held; its last lines are printed."""
    FOUND.mkdir(exist_ok=True)
    with ExitStack() as stack:
        if options.fresh:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        else:
            folder = HERE / "corpus" / name
            folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "fuzz.one", name, str(folder), f"-max_total_time={options.seconds}"]
        command += [f"-runs={options.runs}", f"-artifact_prefix={FOUND}/{name}-", "-print_final_stats=1"]
        if options.seed:
            command.append(f"-seed={options.seed}")
        run = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, errors="replace", check=False)
    told = run.stderr.splitlines() + run.stdout.splitlines()
    if run.returncode != 0:
        print(f"=== {name}: FAILED", *told[-60:], sep="\n")
        return False
    coverage = next((line.split(" cov: ")[1].split()[0] for line in reversed(told) if " cov: " in line), "?")
    executed = next((value for key, value in _stats(told).items() if key == "number_of_executed_units"), "?")
    print(f"=== {name}: ok, {executed} inputs, {coverage} points reached", flush=True)
    return True


def _stats(lines: list[str]) -> dict[str, str]:
    """libFuzzer's `stat::name: value` lines."""
    return {
        name.removeprefix("stat::"): value.strip()
        for name, _, value in (line.partition(": ") for line in lines)
        if name.startswith("stat::")
    }


if __name__ == "__main__":
    sys.exit(main())

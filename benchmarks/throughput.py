"""How fast aoinspect verifies, beside a C program over OpenSSL, tcpdump and tshark, all in one run.

    python benchmarks/throughput.py [--scale 0.1] [--rounds 5] [--only bgp] [--directory DIR] [--cores 2]

Makes the captures (`make_captures.py`), compiles `reference.c`, and runs every program as a whole process,
round by round in turn, so that a slow moment of the machine hits all of them; the medians are compared. On
one core CPU time counts (user and system), on several wall time. The C program and aoinspect must find
exactly the verdicts that the captures were made with; otherwise the exit code is 1. What is missing
(compiler, tcpdump, tshark) is said and left out.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from make_captures import PROFILES, MadeCapture, make_capture
from processes import Cost, compile_reference, machine, own_peak_mb, pin_to_cores, run, version_of

BENCHMARKS = Path(__file__).resolve().parent
PROJECT_ROOT = BENCHMARKS.parent
AOINSPECT = [sys.executable, "-c", "import sys; from aoinspect.cli import main; sys.exit(main())"]
ENVIRONMENT = {"PYTHONPATH": str(PROJECT_ROOT), "PYTHONDONTWRITEBYTECODE": ""}
"""The tree beside this file is measured, never an installed version; compiled once, as an installed one is."""
EXPECTED = {
    1: {"C program": 8.0, "tcpdump -n": 1.0, "tshark fields": 0.2},
    2: {"C program": 5.0, "tcpdump -n": 0.5, "tshark fields": 0.125},
}
"""Cores -> aoinspect's time as a multiple of each program's, at most, on the capture `bgp`. The others use one core."""
COUNTS = ("verified", "mismatch", "no_key", "unverifiable")


@dataclass(frozen=True, slots=True)
class Contestant:
    """A program that reads a capture."""

    name: str
    command: Callable[[MadeCapture], list[str]]
    counts: Callable[[str], dict[str, int]] | None = None
    """Reads the verdict counts off its output; None: it checks no MAC."""


def totals_of_report(output: str) -> dict[str, int]:
    """The counts of `verify --format json`."""
    totals = json.loads(output)["totals"]
    return {name: totals[name] for name in COUNTS}


def totals_of_reference(output: str) -> dict[str, int]:
    """The counts of `reference.c`."""
    totals = json.loads(output)
    return {name: totals[name] for name in COUNTS}


def contestants(directory: Path, aoinspect_options: Sequence[str]) -> tuple[list[Contestant], list[str]]:
    """Every program that is here, and a line for each that is not."""

    def verify(made: MadeCapture) -> list[str]:
        keys = ["--keys", str(made.toml_keys), "--format", "json"]
        return [*AOINSPECT, "verify", str(made.capture), *keys, *aoinspect_options]

    found, missing = [Contestant("aoinspect", verify, totals_of_report)], []
    reference = compile_reference(BENCHMARKS / "reference.c", directory)
    if isinstance(reference, str):
        missing.append(f"C program left out: {reference}")
    else:
        command = reference
        found.append(
            Contestant(
                "C program",
                lambda made: [*command, str(made.capture), str(made.reference_keys)],
                totals_of_reference,
            )
        )
    if tcpdump := shutil.which("tcpdump"):
        found.append(Contestant("tcpdump -n", lambda made: [tcpdump, "-n", "-r", str(made.capture)]))
    else:
        missing.append("tcpdump left out: it is not installed")
    if tshark := shutil.which("tshark"):
        # What it takes to see the option, which the summary line does not show ...
        fields = [
            "-T",
            "fields",
            "-e",
            "frame.number",
            "-e",
            "tcp.options.ao.keyid",
            "-e",
            "tcp.options.ao.mac",
        ]
        found.append(Contestant("tshark fields", lambda made: [tshark, "-n", "-r", str(made.capture), *fields]))
        # ... and the least that tshark does.
        found.append(Contestant("tshark summary", lambda made: [tshark, "-n", "-r", str(made.capture)]))
    else:
        missing.append("tshark left out: it is not installed")
    return found, missing


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians over the rounds, of one program on one capture."""

    name: str
    cpu_us: float
    """Microseconds per segment of the capture."""
    wall_us: float
    peak_mb: float
    mistake: str | None
    """What was wrong with its run."""


def mistake_of(contestant: Contestant, cost: Cost, made: MadeCapture) -> str | None:
    """What is wrong with a run: its exit code, or counts that are not those the capture was made with."""
    if cost.exit_code != 0:
        return f"exit code {cost.exit_code}: {cost.errors}"
    if contestant.counts is None:
        return None
    expected = dict.fromkeys(COUNTS, 0) | {"verified": made.signed_segments}
    counted = contestant.counts(cost.output)
    return None if counted == expected else f"counted {counted}, but the capture holds {expected}"


def measure(made: MadeCapture, programs: Sequence[Contestant], rounds: int) -> list[Measured]:
    """Runs every program `rounds` times, in turn."""
    with made.capture.open("rb") as file:  # so that the first program does not pay for a cold page cache
        while file.read(1 << 20):
            pass
    costs: dict[str, list[Cost]] = {program.name: [] for program in programs}
    for _ in range(rounds):
        for program in programs:
            command = program.command(made)
            costs[program.name].append(run(command, keeps_output=program.counts is not None, environment=ENVIRONMENT))
    return [
        Measured(
            name=program.name,
            cpu_us=median(cost.cpu_seconds for cost in costs[program.name]) * 1e6 / made.segments,
            wall_us=median(cost.wall_seconds for cost in costs[program.name]) * 1e6 / made.segments,
            peak_mb=max(cost.peak_mb for cost in costs[program.name]),
            mistake=next(filter(None, (mistake_of(program, c, made) for c in costs[program.name])), None),
        )
        for program in programs
    ]


def start_up(rounds: int) -> tuple[float, float]:
    """CPU seconds of `aoinspect --version`, and of a bare Python that does nothing."""
    version = median(run([*AOINSPECT, "--version"], environment=ENVIRONMENT).cpu_seconds for _ in range(rounds))
    bare = median(run([sys.executable, "-c", "pass"]).cpu_seconds for _ in range(rounds))
    return version, bare


def stage_seconds(made: MadeCapture) -> dict[str, float]:
    """Seconds of each stage of the engine, from a process of its own; empty where it could not be measured."""
    command = [sys.executable, str(BENCHMARKS / "stages.py"), str(made.capture), str(made.toml_keys)]
    cost = run(command, keeps_output=True, environment=ENVIRONMENT)
    if cost.exit_code != 0:
        print(f"  stages could not be measured: {cost.errors}")
        return {}
    stages: dict[str, float] = json.loads(cost.output)
    return stages


def print_capture(made: MadeCapture, results: Sequence[Measured], start_up_us: float, cores: int) -> None:
    """The table of one capture."""
    uses_wall = cores > 1
    size_mb = made.capture.stat().st_size / 1e6
    print(f"\n{made.profile.name}: {made.profile.shows}")
    print(f"  {made.segments:,} segments, {made.signed_segments:,} signed, {size_mb:.0f} MB")
    print(f"  {'':16}{'CPU µs/segment':>16}{'wall µs/segment':>17}{'peak MB':>9}   aoinspect takes")

    own_peak = own_peak_mb()
    ours = next((r for r in results if r.name == "aoinspect" and r.mistake is None), None)

    def time_of(result: Measured) -> float:
        return result.wall_us if uses_wall else result.cpu_us

    for result in results:
        peak = f"{result.peak_mb:.0f}" if result.peak_mb > own_peak else f"<{own_peak:.0f}"
        row = f"  {result.name:16}{result.cpu_us:16.3f}{result.wall_us:17.3f}{peak:>9}   "
        if result.mistake is not None:
            row += f"WRONG: {result.mistake}"
        elif result.name == "aoinspect":
            row += f"(start-up is {start_up_us:.3f} µs of each segment's CPU)"
        elif ours is not None:
            ratio = time_of(ours) / time_of(result)
            row += f"{ratio:.2f} times as long" if ratio >= 1 else f"1/{1 / ratio:.2f} of the time"
            if made.profile.name == "bgp" and result.name in EXPECTED.get(cores, {}):
                bound = EXPECTED[cores][result.name]
                row += f"; expected at most {bound:g}: {'met' if ratio <= bound else 'MISSED'}"
        print(row)


def print_stages(made: MadeCapture) -> None:
    """The engine's stages, the longest first."""
    stages = stage_seconds(made)
    for name, seconds in sorted(stages.items(), key=lambda item: -item[1]):
        share = seconds / sum(stages.values())
        print(f"    {name:24}{seconds * 1e6 / made.segments:10.3f} µs/segment{share:8.1%}")


def parse_arguments() -> argparse.Namespace:
    names = [profile.name for profile in PROFILES]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--scale", type=float, default=1.0, help="1: 1.5 million segments in the first capture (default)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=names, help="this capture (repeatable); all by default")
    parser.add_argument("--directory", type=Path, help="where captures go and stay; a temporary one by default")
    parser.add_argument("--cores", type=int, default=1, help="how many cores everything is pinned to")
    parser.add_argument("--without", action="append", default=[], metavar="PROGRAM", help="leave a program out")
    parser.add_argument("--aoinspect-options", type=shlex.split, default=[], help="more options for `verify`")
    parser.add_argument("--json", type=Path, help="write the medians there as well")
    return parser.parse_args()


def benchmark(arguments: argparse.Namespace, directory: Path) -> int:
    """Measures everything and prints it; 1 where a program went wrong or miscounted."""
    programs, missing = contestants(directory, arguments.aoinspect_options)
    programs = [program for program in programs if program.name not in arguments.without]
    cores = pin_to_cores(arguments.cores)
    python = ".".join(map(str, sys.version_info[:3]))
    versions = [f"Python {python}", f"numpy {np.__version__}"]
    for tool, argument in (("openssl", "version"), ("tcpdump", "--version"), ("tshark", "--version")):
        if shutil.which(tool):
            versions.append(f"{tool} {version_of([tool, argument])}")
    print(machine(), ", ".join(versions), *missing, sep="\n")
    print(f"pinned to {cores} of them" if cores else "not pinned to cores: this system has no way to")
    print(f"medians of {arguments.rounds} rounds, whole processes")
    for package in ("aoinspect", "dissectors"):
        compileall.compile_dir(PROJECT_ROOT / package, quiet=1)
    version_seconds, bare_seconds = start_up(arguments.rounds)
    bare_ms, version_ms = bare_seconds * 1e3, version_seconds * 1e3
    print(f"start-up: aoinspect --version {version_ms:.0f} ms of CPU, a bare Python {bare_ms:.0f} ms")
    written: dict[str, dict[str, dict[str, float]]] = {}
    went_wrong = False
    for profile in PROFILES:
        if arguments.only and profile.name not in arguments.only:
            continue
        made = make_capture(profile, directory, arguments.scale, arguments.seed)
        results = measure(made, programs, arguments.rounds)
        print_capture(made, results, version_seconds * 1e6 / made.segments, arguments.cores)
        print_stages(made)
        sys.stdout.flush()
        written[profile.name] = {r.name: {"cpu_us": r.cpu_us, "wall_us": r.wall_us} for r in results}
        went_wrong |= any(result.mistake is not None for result in results)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(written, indent=1) + "\n")
    return int(went_wrong)


def main() -> int:
    arguments = parse_arguments()
    if arguments.directory is not None:
        os.makedirs(arguments.directory, exist_ok=True)
        return benchmark(arguments, arguments.directory)
    with tempfile.TemporaryDirectory() as directory:
        return benchmark(arguments, Path(directory))


if __name__ == "__main__":
    sys.exit(main())

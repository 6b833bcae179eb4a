"""Whole processes and what they cost: CPU and wall time, peak memory, and the machine they ran on.

Nothing here knows what is measured. A process is pinned to given cores, its CPU time is user and system time
of itself and of all children it waited for (`wait4`), and its output goes to a file or nowhere, never through
this process.
"""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MAXRSS_OCTETS = 1 if platform.system() == "Darwin" else 1024
"""The unit of `ru_maxrss`."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One run of one process."""

    cpu_seconds: float
    wall_seconds: float
    peak_mb: float
    """The largest resident set, in 10^6 octets; never below `own_peak_mb`: systems count from the fork on."""
    exit_code: int
    output: str
    """Standard output, where it was asked for."""
    errors: str
    """Standard error's last line."""


def run(command: Sequence[str], *, keeps_output: bool = False, environment: Mapping[str, str] | None = None) -> Cost:
    """Runs a command to its end. Raises OSError where it cannot be started."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output if keeps_output else subprocess.DEVNULL,
            stderr=errors,
            env=dict(os.environ, **(environment or {})),
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_seconds = time.perf_counter() - start
        # wait4 has taken the status that Popen would wait for.
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        error_lines = errors.read().decode(errors="replace").strip().splitlines()
        return Cost(
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            wall_seconds=wall_seconds,
            peak_mb=usage.ru_maxrss * MAXRSS_OCTETS / 1e6,
            exit_code=process.returncode,
            output=output.read().decode(errors="replace"),
            errors=error_lines[-1] if error_lines else "",
        )


def own_peak_mb() -> float:
    """The largest resident set of this process, in 10^6 octets."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_OCTETS / 1e6


def pin_to_cores(count: int) -> int | None:
    """Pins this process and all that it starts to its last `count` cores; how many it got, None where
    unsupported.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))[-count:]
    os.sched_setaffinity(0, cores)
    return len(cores)


def compile_reference(source: Path, directory: Path) -> list[str] | str:
    """The command that runs the compiled C program, or why there is none."""
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        return "no C compiler is installed"
    binary = directory / "reference"
    cost = run([compiler, "-O2", "-o", str(binary), str(source), "-lcrypto"])
    if cost.exit_code != 0:
        return f"{source.name} does not compile (are OpenSSL's headers installed?): {cost.errors}"
    return [str(binary)]


def version_of(command: Sequence[str]) -> str:
    """The first version number that a program says of itself; "?" where it says none."""
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)?", answer.stdout + answer.stderr)
    return found.group() if found else "?"


def machine() -> str:
    """Processor, cores and system, in one line."""
    processor = platform.processor() or platform.machine()
    cpu_facts = Path("/proc/cpuinfo")
    if cpu_facts.exists():
        named = re.search(r"^model name\s*:\s*(.+)$", cpu_facts.read_text(), re.MULTILINE)
        processor = named.group(1) if named else processor
    return f"{processor}, {os.cpu_count()} cores, {platform.system()} {platform.release()} {platform.machine()}"

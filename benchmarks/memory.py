"""What aoinspect keeps in memory: large captures, floods, and the table.

    python benchmarks/memory.py [--scale 1] [--only SCENE] [--directory DIR]

Each scene is a process of its own, measured by the system as `/usr/bin/time -v` does (the largest resident set), and
beside it the same process with nothing to read. At scale 1 the large captures have ten million segments (1.8 GB on
disk, made first) and the floods a million socket pairs, connections or key runs.
"""

from __future__ import annotations

import argparse
import os
import pickle
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from make_captures import PROFILES, make_capture
from processes import machine, run
from throughput import AOINSPECT, ENVIRONMENT

FLOOD = 1_000_000
TABLE = """
import sys
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.keys.load import load_keys
analyzer = analyse([sys.argv[1]], Analyzer(load_keys([sys.argv[2]])))
print(len(analyzer.table))
"""
KEYS = """version = 1
[[peer]]
local = "10.0.0.0/8"
remote = "192.0.2.1"
port = 179
  [[peer.key]]
  send-id = 1
  recv-id = 1
  algorithm = "hmac-sha-1-96"
  secret = "flood"
"""
_AT_ONCE = 100_000
_FRAME = 74
"""Octets: Ethernet, IPv4, TCP with an AO option and no payload."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One process to measure."""

    name: str
    make: Callable[[Path, float], tuple[Path, Path, int]]
    """(directory, scale) -> capture, key file, segments."""
    command: Callable[[Path, Path], list[str]]
    most_mb: float
    """What it may take at scale 1."""


def bgp_capture(directory: Path, scale: float) -> tuple[Path, Path, int]:
    """Ten million segments at scale 1."""
    profile = PROFILES[0]
    made = make_capture(profile, directory, scale * 10_000_000 / profile.segments, 1)
    return made.capture, made.toml_keys, made.segments


def flood(kind: str) -> Callable[[Path, float], tuple[Path, Path, int]]:
    """Signed segments whose MACs are wrong: each from another socket pair, with another ISN, or under another KeyID."""

    def make(directory: Path, scale: float) -> tuple[Path, Path, int]:
        capture, keys = directory / f"{kind}.pcap", directory / f"{kind}.toml"
        keys.write_text(KEYS, encoding="utf-8")
        keys.chmod(0o600)
        total = int(FLOOD * scale)
        with capture.open("wb") as file:
            file.write(bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000"))
            for start in range(0, total, _AT_ONCE):
                numbers = np.arange(start, min(start + _AT_ONCE, total))
                file.write(_records(kind, numbers).tobytes())
        return capture, keys, total

    return make


def _records(
    kind: str, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    record = np.zeros((len(numbers), 16 + _FRAME), dtype=np.uint8)

    def put(at: int, values: np.ndarray[tuple[int], np.dtype[np.int64]] | int, dtype: str) -> None:
        column = np.broadcast_to(np.asarray(values), len(numbers)).astype(dtype)
        record[:, at : at + column.itemsize] = column.view(np.uint8).reshape(len(numbers), -1)

    put(0, 1_790_000_000 + numbers // 10_000, "<u4")
    put(4, numbers % 10_000 * 100, "<u4")
    put(8, _FRAME, "<u4")
    put(12, _FRAME, "<u4")
    ethernet, ip, tcp = 16, 30, 50
    put(ethernet + 12, 0x0800, ">u2")
    put(ip, 0x45, "u1")
    put(ip + 2, _FRAME - 14, ">u2")
    put(ip + 8, 64, "u1")
    put(ip + 9, 6, "u1")
    is_pairs = kind == "pairs"
    put(ip + 12, 0x0A000000 + (numbers // 50_000 if is_pairs else 1), ">u4")
    put(ip + 16, 0xC0000201, ">u4")
    put(tcp, 1024 + numbers % 50_000 if is_pairs else 40_000, ">u2")
    put(tcp + 2, 179, ">u2")
    put(tcp + 4, numbers * 7919 % (1 << 32) if kind != "key-ids" else numbers, ">u4")
    put(tcp + 12, (_FRAME - 34) // 4 << 4, "u1")
    put(tcp + 13, 0x10 if kind == "key-ids" else 0x02, "u1")
    put(tcp + 20, 29, "u1")
    put(tcp + 21, 20, "u1")
    put(tcp + 22, numbers % 251 if kind == "key-ids" else 1, "u1")
    put(tcp + 23, 1, "u1")
    return record


def made_apart(scene: Scene, directory: Path, scale: float) -> tuple[Path, Path, int]:
    """What the scene makes, made in a process that ends: what a process has had counts for those that it starts."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, pickle.dumps(scene.make(directory, scale)))
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    made: tuple[Path, Path, int] = pickle.loads(told)
    return made


def verify(*options: str) -> Callable[[Path, Path], list[str]]:
    return lambda capture, keys: [*AOINSPECT, "verify", "-q", *options, "--keys", str(keys), str(capture)]


SCENES = (
    Scene("verify", bgp_capture, verify("-j", "1"), 400),
    Scene("verify, two processes", bgp_capture, verify("-j", "2"), 400),
    Scene("verify --format jsonl", bgp_capture, verify("-j", "1", "--format", "jsonl"), 400),
    Scene(
        "the table kept",
        bgp_capture,
        lambda capture, keys: [sys.executable, "-c", TABLE, str(capture), str(keys)],
        1500,
    ),
    Scene("a SYN from each socket pair", flood("pairs"), verify("-j", "1"), 1000),
    Scene("SYNs with other ISNs of one pair", flood("isns"), verify("-j", "1"), 1000),
    Scene("another KeyID in each segment", flood("key-ids"), verify("-j", "1"), 1000),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", action="append", help="a scene's name (repeatable)")
    parser.add_argument("--directory", type=Path, help="where captures go and stay; a temporary one by default")
    options = parser.parse_args()
    print(machine())
    nothing = run([*AOINSPECT, "verify", "--help"], environment=ENVIRONMENT).peak_mb
    print(f"{'':34}{'segments':>12}{'peak MB':>10}{'at most':>10}{'seconds':>10}   (help alone: {nothing:.0f} MB)")
    is_missed = False
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.directory or Path(temporary)
        directory.mkdir(exist_ok=True)
        for scene in SCENES:
            if options.only and scene.name not in options.only:
                continue
            capture, keys, segments = made_apart(scene, directory, options.scale)
            cost = run(scene.command(capture, keys), environment=ENVIRONMENT)
            verdict = "" if cost.peak_mb <= scene.most_mb else "   MISSED"
            if cost.exit_code not in (0, 1, 4):
                verdict = f"   exit status {cost.exit_code}: {cost.errors}"
            is_missed |= bool(verdict)
            print(
                f"{scene.name:34}{segments:12,}{cost.peak_mb:10.0f}{scene.most_mb:10.0f}{cost.wall_seconds:10.1f}{verdict}",
                flush=True,
            )
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main())

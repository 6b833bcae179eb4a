"""Fuzzes one target in this process, which libFuzzer ends: `python -m fuzz.one TARGET FOLDER [libFuzzer's options]`.

FOLDER receives the inputs that reach something new; `fuzz.__main__` is what people call.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["aoinspect", "dissectors", "fuzz.of_frames", "tests.reference"]):
    from fuzz.bounds import MOST_OCTETS, within_bounds
    from fuzz.targets import TARGETS


def main() -> None:
    name, folder, *options = sys.argv[1:]
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as scratch:
        seeds = Path(scratch, "seeds")
        seeds.mkdir()
        for number, octets in enumerate(target.seeds()):
            (seeds / str(number)).write_bytes(octets)
        arguments = [sys.argv[0], f"-max_len={MOST_OCTETS}", "-timeout=60", "-rss_limit_mb=2048", *options]
        if target.dictionary:
            dictionary = Path(scratch, "words")
            dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in target.dictionary), encoding="ascii")
            arguments.append(f"-dict={dictionary}")
        arguments += [folder, str(seeds), *map(str, target.folders)]
        atheris.Setup(arguments, within_bounds(target.check))
        atheris.Fuzz()


def _escaped(word: str) -> str:
    return "".join(
        chr(octet) if 32 <= octet < 127 and octet not in b'"\\' else f"\\x{octet:02x}" for octet in word.encode()
    )


main()

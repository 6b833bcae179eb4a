"""Prints, as one JSON object, how many seconds each stage of aoinspect takes for one capture, in one process.

    python benchmarks/stages.py CAPTURE KEYS.toml

`throughput.py` runs this apart from the runs that it compares, for reading clocks between stages costs time
too.
"""

from __future__ import annotations

import json
import sys
import time


def main() -> None:
    capture, keys = sys.argv[1:]
    start = time.perf_counter()
    from aoinspect.engine.pipeline import Analyzer

    from aoinspect.keys.load import load_keys

    imported = time.perf_counter()
    analyzer = Analyzer(load_keys([keys]), measure=True)
    keys_read = time.perf_counter()
    analyzer.analyze(capture)
    stages = {"imports": imported - start, "key file": keys_read - imported, **analyzer.stage_seconds}
    json.dump(stages, sys.stdout)


if __name__ == "__main__":
    main()

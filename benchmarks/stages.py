"""Prints, as one JSON object, how many seconds of CPU each stage of aoinspect takes for one capture.

    python benchmarks/stages.py CAPTURE KEYS.toml

`throughput.py` runs this apart from the runs that it compares, for reading clocks costs time too. The
report's form is not among the stages. "read" is the record walk, and all that no other stage claims.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise


def main() -> None:
    capture, keys = sys.argv[1:]
    marks = [time.process_time()]
    from aoinspect.capture.reader import open_capture
    from aoinspect.engine.pipeline import Analyzer
    from aoinspect.engine.reading import analyse
    from aoinspect.keys.load import load_keys

    marks.append(time.process_time())
    analyzer = Analyzer(load_keys([keys]), measure=True)
    marks.append(time.process_time())
    analyse([open_capture(capture)], analyzer)
    marks.append(time.process_time())
    imports, key_file, run = (later - earlier for earlier, later in pairwise(marks))
    read = run - sum(analyzer.stage_seconds.values())
    json.dump({"imports": imports, "key file": key_file, "read": read, **analyzer.stage_seconds}, sys.stdout)


if __name__ == "__main__":
    main()

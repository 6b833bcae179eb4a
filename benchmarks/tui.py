"""The terminal interface on a large capture: when the first screen is there, and how soon keys answer while it reads.

    python benchmarks/tui.py CAPTURE KEYS [--presses 100]

`make_captures.py` makes captures and keys. The application runs without a terminal, as under test; what is timed is
from a key's arrival to the lines being drawn again with the cursor where it belongs.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import time

from processes import MAXRSS_OCTETS
from textual.events import Key

from aoinspect.keys import load_keys
from aoinspect.tui.app import InspectApp
from aoinspect.tui.session import Session
from dissectors.registry import Registry


async def answer_time(app: InspectApp, key: str) -> float:
    """Seconds until the packet list, after `key`, has its cursor elsewhere and the line there drawn."""
    pane = app.packets.list
    before = pane.cursor
    pressed = time.perf_counter()
    app.post_message(Key(key, key if len(key) == 1 else None))
    while pane.cursor == before or pane.cursor not in pane._strips:
        await asyncio.sleep(0)
    return time.perf_counter() - pressed


async def measure(capture: str, keys: str, presses: int) -> None:
    """Opens, presses, prints."""
    session = Session(capture, load_keys([keys]), Registry())
    app = InspectApp(session)
    started = time.perf_counter()
    async with app.run_test(size=(120, 40)) as pilot:
        while not app.packets.list.count:
            await pilot.pause(0.005)
        print(f"first packets      {time.perf_counter() - started:8.2f} s")
        app.action_view("packets")
        await asyncio.sleep(0.05)
        taken: list[float] = []
        while len(taken) < presses and not session.analysis.is_finished:
            taken.append(await answer_time(app, "j"))
            await asyncio.sleep(0.02)
        if len(taken) > 1:
            taken.sort()
            print(f"keys while reading {len(taken):8}")
            print(f"  median           {statistics.median(taken) * 1e3:8.1f} ms")
            print(f"  19 of 20 within  {taken[int(len(taken) * 0.95)] * 1e3:8.1f} ms")
            print(f"  slowest          {taken[-1] * 1e3:8.1f} ms")
        while not session.analysis.is_finished or app.is_busy:
            await pilot.pause(0.05)
        rows = len(session.rows.frame)
        print(f"all read           {time.perf_counter() - started:8.2f} s, {rows} rows")
        for key in ("G", "g", "pagedown"):
            print(f"{key:<18} {await answer_time(app, key) * 1e3:8.1f} ms")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_OCTETS / 1e6
    print(f"peak memory        {peak:8.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture")
    parser.add_argument("keys")
    parser.add_argument("--presses", type=int, default=100)
    options = parser.parse_args()
    asyncio.run(measure(options.capture, options.keys, options.presses))


if __name__ == "__main__":
    main()

"""Makes the pictures of docs/tui.md from shipped samples: `python -m tests.tui.screenshots`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from aoinspect.keys import load_keys
from tests.tui.running import PROJECT_ROOT, press, running, session_on, type_line

FOLDER = PROJECT_ROOT / "docs" / "screenshots"
SIZE = (110, 34)
SHOTS: dict[str, tuple[str, tuple[str, ...], str | None]] = {
    "connections": ("bird-bird", (), None),
    "timeline": ("rotation", ("2", "right_square_bracket", "right_square_bracket"), None),
    "packets": ("inject", ("3", "f", "f", "f", "f", "f", "f", "tab"), None),
    "keys": ("rotation", ("4", "j"), None),
    "findings": ("inject", ("5", "j"), None),
    "explain": ("mss-clamp-B", ("e",), None),
    "filter": ("inject", ("3", "slash"), "ao.verdict != verified and tcp.flags.syn == 0"),
}
"""File's name -> sample, keys pressed, and a filter that is typed."""


async def take(name: str, target: Path) -> Path:
    """One picture; the file that it was written to."""
    sample, keys, typed = SHOTS[name]
    # Paths as a reader would type them, not those of this machine.
    os.chdir(PROJECT_ROOT)
    folder = Path("samples") / "pcaps"
    store = load_keys([str(folder / f"{sample}.toml")])
    async with running(session_on(folder / f"{sample}.pcap", store), SIZE) as (app, pilot):
        await press(pilot, *keys)
        if typed is not None:
            await type_line(pilot, typed)
        app.clear_notifications()
        await pilot.pause(0.3)
        path = target / f"{name}.svg"
        path.write_text(app.export_screenshot(title=f"aoinspect tui {sample}.pcap"), encoding="utf-8")
        return path


async def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in SHOTS:
        print(await take(name, FOLDER))


if __name__ == "__main__":
    asyncio.run(main())

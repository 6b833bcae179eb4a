"""The walk that the terminal interface is for: open, find the first failure, see why, fix the key, verified, save."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from textual.widgets import Input

from aoinspect.engine.verdicts import Verdict
from aoinspect.keys import load_keys
from aoinspect.tui.actions import View
from aoinspect.tui.prompts import TextScreen
from tests.tui.running import SAMPLES, press, running, screen_text, session_on, type_line

SAMPLE = "v4-sha1"


def wrong_keys(folder: Path) -> Path:
    """The sample's keys with tcp-options the wrong way round."""
    text = (SAMPLES / f"{SAMPLE}.toml").read_text(encoding="utf-8")
    path = folder / "wrong.toml"
    lines = []
    for line in text.splitlines():
        if line.strip().startswith("tcp-options"):
            continue
        lines.append(line)
        if line.strip().startswith("secret"):
            lines.append('tcp-options = "exclude"')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def counts(app_session: object) -> dict[str, int]:
    return dict(app_session.analysis.report.totals.verdicts)  # type: ignore[attr-defined]


def test_from_the_first_failure_to_the_saved_key_by_explanation(tmp_path: Path) -> None:
    capture = tmp_path / f"{SAMPLE}.pcap"
    shutil.copy(SAMPLES / f"{SAMPLE}.pcap", capture)
    saved = tmp_path / "fixed.toml"

    async def walk() -> None:
        session = session_on(capture, load_keys([str(wrong_keys(tmp_path))]))
        async with running(session) as (app, pilot):
            failing = counts(session)["mismatch"]
            assert failing > 0
            await press(pilot, "f")
            assert app.view is View.PACKETS
            assert session.row is not None
            assert session.rows.verdict[session.row] == Verdict.MISMATCH
            assert "they differ, from octet" in "\n".join(
                app.packets.fields.text_of(line) for line in range(app.packets.fields.count)
            )
            await press(pilot, "e")
            assert isinstance(app.screen, TextScreen)
            assert "H1" in screen_text(app)
            await press(pilot, "A")
            assert counts(session)["mismatch"] == 0
            assert session.last_change == f"+{failing} verified, −{failing} mismatch"
            assert "verified" in app.packets.list.text_of(app.packets.list.cursor)
            await press(pilot, "s", "k")
            await type_line(pilot, str(saved))
        store = load_keys([str(saved)])
        assert {mkt.tcp_options.value for peer in store.peers for mkt in peer.mkts} == {"include"}
        assert saved.stat().st_mode & 0o777 == 0o600

    asyncio.run(walk())


def test_a_secret_typed_hidden_makes_the_session_verify(tmp_path: Path) -> None:
    text = (SAMPLES / f"{SAMPLE}.toml").read_text(encoding="utf-8")
    keys = tmp_path / "typo.toml"
    keys.write_text(text.replace('"7333', '"7334'), encoding="utf-8")

    async def walk() -> None:
        session = session_on(SAMPLES / f"{SAMPLE}.pcap", load_keys([str(keys)]))
        async with running(session) as (app, pilot):
            failing = counts(session)["mismatch"]
            assert failing
            await press(pilot, "4", "i")
            secret = app.screen.query_one("#secret", Input)
            assert secret.password
            assert secret.value == ""
            secret.value = "s3cr3t-master-key"
            assert "s3cr3t" not in screen_text(app)
            await press(pilot, "ctrl+s")
            assert counts(session)["mismatch"] == 0
            assert session.last_change == f"+{failing} verified, −{failing} mismatch"
            assert f"+{failing} verified" in screen_text(app)

    asyncio.run(walk())

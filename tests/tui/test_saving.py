"""What is saved: captures made from the one that is looked at, and pages."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from aoinspect.capture.reader import open_capture
from aoinspect.engine.pipeline import Progress
from aoinspect.errors import UsageError
from aoinspect.keys import load_keys
from aoinspect.tui.save_menu import SAVINGS
from aoinspect.tui.saving import save_annotated, save_packets, save_page, save_resigned
from aoinspect.tui.session import Session
from aoinspect.tui.spool import Spool
from tests.conversation import Conversation
from tests.packets import Record, ethernet, ip_fragments, write_pcap
from tests.tui.running import SAMPLES, messages, press, read_all, running, sample_session, session_on, type_line, until
from tests.tui.test_session import quiet


def silent() -> Progress:
    return lambda _: None


def frames_in(path: Path) -> int:
    with open_capture(str(path)) as reader:
        return sum(len(batch) for batch in reader.batches())


def in_fragments(folder: Path, *, without: int | None = None) -> Session:
    """A handshake and two segments, of which the first came in three pieces with the other one between them."""
    talk = Conversation().handshake().data("a", 200).data("b", 40)
    (folder / "keys.toml").write_text(talk.key_file(), encoding="utf-8")
    plain = [segment.packet for segment in talk.segments]
    pieces = ip_fragments(plain[3], 88)
    assert len(pieces) == 3
    packets = [*plain[:3], pieces[0], plain[4], *pieces[1:]]
    if without is not None:
        del packets[without]
    frames = [ethernet(packet) for packet in packets]
    records = [Record(frame, len(frame), 1_000_000_000 + place) for place, frame in enumerate(frames)]
    (folder / "pieces.pcap").write_bytes(write_pcap(records))
    return read_all(session_on(folder / "pieces.pcap", load_keys([str(folder / "keys.toml")])))


class TestASegmentInFragmentsIsSavedWithAllItsPieces:
    def test_where_it_is_chosen(self, tmp_path: Path) -> None:
        session = in_fragments(tmp_path)
        session.show("tcp.len == 200", quiet)
        assert len(session.visible) == 1
        save_packets(session, str(tmp_path / "shown.pcap"), silent(), replaces=False)
        assert frames_in(tmp_path / "shown.pcap") == 3
        again = read_all(session_on(tmp_path / "shown.pcap"))
        assert [int(length) for length in again.rows.payload_length] == [200]

    def test_and_not_where_another_is(self, tmp_path: Path) -> None:
        session = in_fragments(tmp_path)
        session.show("tcp.len == 40", quiet)
        save_packets(session, str(tmp_path / "shown.pcap"), silent(), replaces=False)
        assert frames_in(tmp_path / "shown.pcap") == 1

    def test_also_where_a_piece_is_missing(self, tmp_path: Path) -> None:
        session = in_fragments(tmp_path, without=5)
        session.show("ao.reason == fragment", quiet)
        assert len(session.visible) == 1
        save_packets(session, str(tmp_path / "shown.pcap"), silent(), replaces=False)
        assert frames_in(tmp_path / "shown.pcap") == 2


def test_a_capture_is_signed_right_under_the_present_keys(tmp_path: Path) -> None:
    session = read_all(sample_session("inject"))
    told = save_resigned(session, str(tmp_path / "signed.pcap"), silent(), replaces=False)
    assert "9 re-signed" in told
    again = read_all(session_on(tmp_path / "signed.pcap", session.store))
    before, after = session.analysis.report, again.analysis.report
    assert before is not None
    assert after is not None
    assert before.totals.verdicts["mismatch"] == 9
    assert after.totals.verdicts["mismatch"] == 0
    assert after.totals.frames == before.totals.frames


def test_the_verdicts_become_comments(tmp_path: Path) -> None:
    session = read_all(sample_session("inject"))
    told = save_annotated(session, str(tmp_path / "told.pcapng"), silent(), replaces=False)
    assert "36 packets have a comment" in told
    again = read_all(session_on(tmp_path / "told.pcapng", session.store))
    row = again.row_of_frame(17)
    assert row is not None
    assert any("mismatch" in comment for comment in again.view(row).frame.comments)


def test_signing_needs_keys(tmp_path: Path) -> None:
    session = read_all(sample_session("inject", keys=""))
    with pytest.raises(UsageError, match="load a key file"):
        save_resigned(session, str(tmp_path / "signed.pcap"), silent(), replaces=False)
    assert not (tmp_path / "signed.pcap").exists()


def test_the_page_has_the_findings_and_a_timeline(tmp_path: Path) -> None:
    session = read_all(sample_session("inject"))
    report = session.analysis.report
    assert report is not None
    save_page(report, str(tmp_path / "page.html"), replaces=False)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "mac-length-changed" in page
    assert "<svg" in page


def test_saving_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    async def walk() -> None:
        async with running(sample_session("inject")) as (app, pilot):
            entry = next(entry for entry in SAVINGS if entry.key == "p")
            app._save(entry, str(tmp_path / "never.pcap"), replaces=False)
            app.action_cancel()
            await press(pilot, "1")
            assert any("cancelled" in message for message in messages(app))

    asyncio.run(walk())
    assert list(tmp_path.iterdir()) == []


def test_the_capture_itself_is_never_replaced(tmp_path: Path) -> None:
    capture = tmp_path / "own.pcap"
    capture.write_bytes(Conversation().handshake().to_pcap())
    before = capture.read_bytes()

    async def walk() -> None:
        async with running(session_on(capture)) as (app, pilot):
            await press(pilot, "s", "p")
            await type_line(pilot, str(capture))
            await press(pilot, "y")
            assert any("this is the capture itself" in message for message in messages(app))

    asyncio.run(walk())
    assert capture.read_bytes() == before


@pytest.mark.parametrize(
    "capture, name",
    [
        ("/some/where/a.b.pcapng", "a-shown.pcap"),
        ("x.pcapng", "x-shown.pcapng"),
        ("x.pcap.gz", "x-shown.pcap.gz"),
        ("-", "capture-shown.pcap"),
        (".pcap", "capture-shown.pcap"),
    ],
)
def test_a_name_is_proposed(capture: str, name: str) -> None:
    entry = next(entry for entry in SAVINGS if entry.key == "p")
    assert entry.proposed(capture) == name


def test_no_two_entries_share_a_key() -> None:
    keys = [entry.key for entry in SAVINGS]
    assert len(set(keys)) == len(keys)


def test_saving_to_a_directory_says_so(tmp_path: Path) -> None:
    async def walk() -> None:
        async with running(sample_session("inject")) as (app, pilot):
            await press(pilot, "s", "r")
            await type_line(pilot, str(tmp_path))
            assert not app.is_asking
            assert any("a directory" in note.message for note in app._notifications)

    asyncio.run(walk())


def test_saving_to_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    async def walk() -> None:
        async with running(sample_session("inject")) as (_, pilot):
            await press(pilot, "s", "k")
            await type_line(pilot, "~/my keys.toml")
            await press(pilot, "o")
            await type_line(pilot, "~/my keys.toml")

    asyncio.run(walk())
    assert (tmp_path / "my keys.toml").stat().st_mode & 0o777 == 0o600


def test_what_is_saved_while_reading_goes_on_says_so(tmp_path: Path) -> None:
    async def walk() -> None:
        reading, writing = os.pipe()
        session = session_on(Path("-"), spool=Spool(reading))
        async with running(session, wait=False) as (app, pilot):
            os.write(writing, Conversation().handshake().to_pcap())
            await until(pilot, lambda: app.packets.list.count == 3)
            app._check(load_keys([str(SAMPLES / "inject.toml")]))
            await until(pilot, lambda: bool(session.store.peers))
            for key, is_told in (("p", True), ("r", True), ("s", True), ("k", False)):
                entry = next(entry for entry in SAVINGS if entry.key == key)
                before = len(messages(app))
                app._save(entry, str(tmp_path / key), replaces=False)
                await until(pilot, lambda before=before: len(messages(app)) > before)  # type: ignore[misc]
                assert ("reading goes on" in messages(app)[-1]) == is_told
            os.close(writing)

    asyncio.run(walk())

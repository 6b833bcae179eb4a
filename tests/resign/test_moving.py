"""Frames whose options change their length: moved a batch at once, or built one by one, they come out the same."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aoinspect.engine.resign import rewriter
from aoinspect.engine.resign.wishes import Outcome, Wishes
from aoinspect.errors import UsageError
from tests.conversation import Conversation, Key
from tests.packets import Record, in_gre, in_vlan, in_vxlan, ip_fragments, raw, write_pcap
from tests.resign.pcapng import rich_pcapng
from tests.resign.running import lines_of, store_of, written
from tests.resign.strategies import conversations, key_file_for, keys_named
from tests.resign.test_identity import records_of

NAMES = ("k1", "k2")
ENCAPSULATIONS = (raw, in_vlan(9), in_gre(), in_vxlan(7))
LINK_TYPES = (101, 1, 1, 1)


def _outputs(source: Path, folder: Path, old: str, wishes: Wishes, moves: bool) -> bytes | str:
    out = folder / "out.pcap"
    with pytest.MonkeyPatch.context() as patch:
        if not moves:
            patch.setattr(rewriter, "make_room", lambda *arguments: None)
        try:
            written(source, out, store_of(folder, old), wishes)
        except UsageError as error:
            return str(error)
    return out.read_bytes()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_moving_and_building_give_the_same_octets(data: st.DataObject) -> None:
    old, new = data.draw(keys_named(NAMES, longest_mac=12)), data.draw(keys_named(NAMES, longest_mac=14))
    told = data.draw(conversations(old))
    kind = data.draw(st.integers(0, len(ENCAPSULATIONS) - 1))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "in.pcap"
        source.write_bytes(told.to_pcap(encapsulate=ENCAPSULATIONS[kind], link_type=LINK_TYPES[kind]))
        if data.draw(st.booleans()):
            records, link_type = records_of(source)
            source.write_bytes(rich_pcapng(records, byte_order="big", link_type=link_type))
        new_keys = store_of(folder, key_file_for(told, new), "new.toml")
        for wishes in (Wishes(strips=True), Wishes(new_keys=new_keys)):
            moved = _outputs(source, folder, told.key_file(), wishes, moves=True)
            assert moved == _outputs(source, folder, told.key_file(), wishes, moves=False)
        stripped, added = folder / "stripped.pcap", []
        written(source, stripped, store_of(folder, told.key_file()), Wishes(strips=True))
        for moves in (True, False):
            added.append(_outputs(stripped, folder, told.key_file(), Wishes(adds=True), moves))
        assert added[0] == added[1]


def test_a_signature_added_at_the_very_end_of_a_frame_belongs_to_it(tmp_path: Path) -> None:
    told = Conversation([Key()]).handshake().data("a", 5)
    source, stripped, again = tmp_path / "in.pcap", tmp_path / "stripped.pcap", tmp_path / "again.pcap"
    source.write_bytes(told.to_pcap(encapsulate=raw, link_type=101))
    store = store_of(tmp_path, told.key_file())
    written(source, stripped, store, Wishes(strips=True))
    assert len(records_of(stripped)[0][2].octets) == 40
    written(stripped, again, store, Wishes(adds=True))
    assert {line.verdict for line in lines_of(again, store)} == {"verified"}


def test_fragments_find_their_places_behind_frames_that_have_grown(tmp_path: Path) -> None:
    """The second key's MAC gets longer, and the first one's, which signs the fragmented segment, does not."""
    old = [Key("k1"), Key("k2", 2, 102, mac_length=8)]
    told = Conversation(old, timestamps=False).handshake().rollover("b", "k2").data("b", 50).data("a", 900).data("b", 9)
    told.rollover("b", "k1").data("b", 40)
    source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
    source.write_bytes(told.to_pcap(encapsulate=raw, link_type=101))
    records, _ = records_of(source)
    listed = []
    for record in records:
        if len(record.octets) > 900:
            pieces = [Record(piece, len(piece), record.time_ns) for piece in ip_fragments(record.octets, 400)]
            listed += [pieces[0], pieces[2]]
            late = pieces[1]
        else:
            listed.append(record)
    source.write_bytes(write_pcap([*listed, late], link_type=101))
    new = [replace(old[0], secret=b"new"), replace(old[1], secret=b"newer", mac_length=16)]
    new_keys = store_of(tmp_path, key_file_for(told, new), "new.toml")
    resigned = written(source, out, store_of(tmp_path, told.key_file()), Wishes(new_keys=new_keys))
    lines = lines_of(out, new_keys)
    assert resigned.outcomes == {Outcome.RE_SIGNED: len(lines)}
    assert {line.verdict for line in lines} == {"verified"}
    assert {line.mkt for line in lines} == {"k1", "k2"}

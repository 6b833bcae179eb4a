"""What a traffic-key log looks like, and what is said of one that is wrong: lines and never a key octet."""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.ao.algorithms import ALGORITHMS, Algorithm
from aoinspect.ao.mkt import Lifetime, LoggedKeys, MasterKeyTuple, Origin, TcpOptions
from aoinspect.errors import KeyFileError, UsageError
from aoinspect.keys import load_keys
from aoinspect.keys.addresses import parse_endpoint, parse_prefix
from aoinspect.keys.load import _LOG_MAGIC
from aoinspect.keys.model import Peer
from aoinspect.keys.traffic_key_log import (
    CONNECTION_FIELDS,
    END_FIELDS,
    ISN_WORDS,
    MAGIC,
    MKT_FIELDS,
    OTHER_FIELDS,
    PEER_FIELDS,
    SYN_FIELDS,
    LoggedConnection,
    LoggedTrafficKey,
    TrafficKeyLog,
    write_log,
)
from aoinspect.keys.traffic_key_reader import parse_log
from tests.conversation import Conversation, Key
from tests.engine.judged import store_of
from tests.engine.stories import examples
from tests.recorded import PROJECT_ROOT
from tests.traffic_keys.logging import log_of, traffic_keys

PATH = "some.log"
NOWHERE = Origin("", 0)


@cache
def sample() -> str:
    """A log of one connection under two keys, with a gap beside them."""
    keys = [Key(name="k1"), Key(name="k2", send_id=2, recv_id=102, secret=b"second", algorithm="aes-128-cmac-96")]
    conversation = Conversation(keys).handshake().data("a", 40).rollover("b", to=2).data("b", 9)
    gap = "[[peer]]\n[[peer.key]]\nsend-id = 9\nrecv-id = 9\nalgorithm = 'hmac-sha-1-96'\ngap = 'type 6'\n"
    return log_of(conversation.to_pcap(), store_of(conversation.key_file() + gap))


def mistakes(text: str) -> list[str]:
    """The lines of the error that this text is; it shows no octet of a key."""
    with pytest.raises(KeyFileError) as caught:
        parse_log(text, PATH)
    message = str(caught.value)
    for key in traffic_keys(sample()):
        assert not any(key[at : at + 4] in message for at in range(len(key) - 3)), message
    return message.splitlines()


def edited(old: str, new: str, count: int = 1) -> str:
    assert old in sample()
    return sample().replace(old, new, count)


def line_of(text: str, beginning: str) -> int:
    return next(number for number, line in enumerate(text.split("\n"), 1) if line.startswith(beginning))


class TestOneMistake:
    def test_a_version_that_is_not_known_is_all_that_is_told(self) -> None:
        text = edited(f"{MAGIC} 1", f"{MAGIC} 2").replace("mkt=1", "mkt=77")
        (told,) = mistakes(text)
        assert told.startswith(f"{PATH}:1: a log of another version than 1")

    @pytest.mark.parametrize("first", [f"{MAGIC}", f"{MAGIC} one", f"{MAGIC} 1 1"])
    def test_a_first_line_that_is_not_one(self, first: str) -> None:
        (told,) = mistakes(edited(f"{MAGIC} 1", first))
        assert told.startswith(f"{PATH}:1: not the first line of a log")

    def test_a_log_that_was_cut_behind_a_line_has_no_end(self) -> None:
        text = sample()[: sample().rindex("\nend ")]
        (told,) = mistakes(text)
        assert (
            told == f"{PATH}:{text.count(chr(10))}: the log ends here without its `end` line: it was cut; get it whole"
        )

    def test_a_key_that_was_cut(self) -> None:
        text = sample()[: sample().rindex("\n\nend ") - 3]
        told = mistakes(text)
        assert len(told) == 2
        assert "key has an odd number of hexadecimal digits: it was cut" in told[0]

    def test_a_key_of_another_length(self) -> None:
        key = traffic_keys(sample())[0]
        (told,) = mistakes(edited(key, key[:-2]))
        assert told.endswith("key has 19 octets, and a traffic key of hmac-sha-1-96 has 20")

    def test_a_key_that_is_not_hexadecimal(self) -> None:
        key = traffic_keys(sample())[0]
        (told,) = mistakes(edited(key, key[:-1] + "x"))
        assert told.endswith("key is not hexadecimal")

    def test_a_line_that_is_missing_is_missed_at_the_end(self) -> None:
        lines = sample().split("\n")
        at = next(index for index, line in enumerate(lines) if line.startswith("other "))
        (told,) = mistakes("\n".join(lines[:at] + lines[at + 1 :]))
        assert told.endswith("traffic-keys is 4, and 3 are there: lines are missing or too many")

    def test_a_connection_that_is_told_twice(self) -> None:
        connection = next(line for line in sample().split("\n") if line.startswith("connection "))
        text = edited("\nend ", f"{connection}\n\nend ")
        (told,) = mistakes(text)
        first = line_of(text, "connection ")
        assert told.endswith(f": this connection is that of line {first} once more")

    def test_a_traffic_key_that_is_told_twice(self) -> None:
        syn = next(line for line in sample().split("\n") if line.startswith("syn "))
        text = edited(syn, f"{syn}\n{syn}").replace("traffic-keys=4", "traffic-keys=5")
        (told,) = mistakes(text)
        assert told.endswith("the traffic key of this MKT and these ISNs is there already")

    def test_a_line_behind_the_end(self) -> None:
        (told,) = mistakes(sample() + "peer\n")
        assert "stands behind the `end` of line" in told

    def test_an_mkt_that_is_nowhere(self) -> None:
        (told,) = mistakes(edited("syn mkt=1 ", "syn mkt=7 "))
        assert told.endswith("mkt is the number of no MKT above")

    def test_a_traffic_key_of_no_connection(self) -> None:
        text = re.sub(r"\nconnection [^\n]*", "", sample())
        assert all("must stand below the line `connection`" in told for told in mistakes(text))

    def test_a_number_that_two_mkts_have(self) -> None:
        told = mistakes(edited("mkt number=2", "mkt number=1"))
        assert any("number is that of another MKT, at line 6" in line for line in told)

    def test_an_mkt_with_neither_number_nor_gap(self) -> None:
        told = mistakes(re.sub(r"mkt number=1 ", "mkt ", sample()))
        assert any("a line `mkt` has no number" in line for line in told)

    @pytest.mark.parametrize(
        "old, new, told",
        [
            ("a-isn=0x11223344", "a-isn=0x112233445", "a-isn must be a whole number, not text"),
            ("from=a", "from=c", "from must be a or b, an end of the connection"),
            ("isns=handshake", "isns=guessed", "isns must be one of handshake, inferred, told, recovered, unknown"),
            ("tcp-options=include", "tcp-options=maybe", 'tcp-options must be "include" (the default)'),
            ("algorithm=aes-128-cmac-96", "algorithm=rot13", "algorithm is unknown"),
            ("a=10.0.0.1:40000", "a=10.0.0.1", "a is not ADDRESS:PORT"),
            ("secret=2", "sekret=2", "unknown key in a line `mkt`; did you mean secret?"),
            (" send-id=1 ", " send-id=1 send-id=1 ", "a line `mkt` has send-id twice"),
            ("syn mkt=1", "sin mkt=1", "begins with none of the words peer, mkt, connection, syn, other, end"),
            ('name="k1"', 'name="k1', "cannot be read from its column"),
        ],
    )
    def test_each_is_told_with_its_line(self, old: str, new: str, told: str) -> None:
        text = edited(old, new)
        number = next(number for number, line in enumerate(text.split("\n"), 1) if new in line)
        assert any(line.startswith(f"{PATH}:{number}: ") and told in line for line in mistakes(text)), mistakes(text)


def test_all_mistakes_are_told_at_once_with_their_lines() -> None:
    key = traffic_keys(sample())[0]
    text = edited("a-isn=0x11223344", "a-isn=x").replace(key, key[1:]).replace("send-id=2 ", "send-id=256 ")
    told = mistakes(text)
    assert len(told) >= 3
    assert [int(line.split(":")[1]) for line in told] == sorted(int(line.split(":")[1]) for line in told)


@examples(60)
@given(st.data())
def test_a_log_that_was_cut_anywhere_is_refused_and_no_octet_of_a_key_is_shown(data: st.DataObject) -> None:
    whole = sample().rstrip("\n")
    mistakes(whole[: data.draw(st.integers(len(MAGIC), len(whole) - 1))])


@examples(60)
@given(st.data())
def test_whatever_stands_in_a_log_it_is_read_or_refused_in_lines(data: st.DataObject) -> None:
    lines = sample().split("\n")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        line = lines[at]
        start = data.draw(st.integers(0, len(line)))
        end = data.draw(st.integers(start, len(line)))
        lines[at] = line[:start] + data.draw(st.text(max_size=8)).replace("\n", "") + line[end:]
    try:
        parse_log("\n".join(lines), PATH)
    except KeyFileError as error:
        assert all(line.startswith(f"{PATH}:") for line in str(error).splitlines())  # noqa: PT017 - both are right


LABELS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12) | st.sampled_from(
    ['a "b"', "back\\slash", '\\"', "#no comment", "a=b"]
)
MOMENTS = st.none() | st.integers(0, 2**62)


@st.composite
def mkts(draw: st.DrawFn, number: int) -> MasterKeyTuple:
    algorithm = draw(st.sampled_from([row for row in ALGORITHMS if not row.is_md5]))
    since, until = sorted([draw(st.integers(0, 2**61)), draw(st.integers(2**61 + 1, 2**62))])
    is_gap = draw(st.booleans())
    return MasterKeyTuple(
        name=draw(LABELS),
        send_id=draw(st.integers(0, 255)),
        recv_id=draw(st.integers(0, 255)),
        algorithm=algorithm,
        secret=None,
        mac_length=draw(st.integers(1, min(algorithm.digest_length, 36))),
        tcp_options=draw(st.sampled_from(TcpOptions)),
        origin=NOWHERE,
        send_lifetime=draw(st.sampled_from([None, Lifetime(since, until), Lifetime(None, until)])),
        accept_lifetime=draw(st.sampled_from([None, Lifetime(since, None)])),
        gap=draw(LABELS) if is_gap else None,
        logged=None if is_gap else LoggedKeys(PATH, number, draw(st.integers(1, 9)), {}),
    )


@st.composite
def logs(draw: st.DrawFn) -> TrafficKeyLog:
    """Any log, sensible or not."""
    told = [draw(mkts(number)) for number in range(1, draw(st.integers(1, 4)) + 1)]
    peer = Peer(
        local=draw(st.sampled_from([None, parse_prefix("10.0.0.0/8"), parse_prefix("10.0.0.1")])),
        remote=draw(st.sampled_from([None, parse_prefix("10.0.0.2")])),
        mkts=tuple(told),
        keychain=None,
        origin=NOWHERE,
        port=draw(st.none() | st.integers(1, 65535)),
        local_port=draw(st.none() | st.integers(1, 65535)),
        vrf=draw(st.none() | LABELS),
        interface=draw(st.none() | LABELS),
        vlan=draw(st.none() | st.integers(1, 4094)),
    )
    numbers = st.integers(0, 2**32 - 1)
    keyed = [mkt for mkt in told if mkt.logged is not None]
    connections = []
    for port in range(1, draw(st.integers(0, 3)) + 1):
        isns = (draw(numbers), draw(numbers))
        keys = [
            LoggedTrafficKey(
                mkt.logged.number if mkt.logged else 0,
                sender,
                isns[sender],
                draw(st.sampled_from([None, isns[1 - sender] or 1])),
                draw(st.binary(min_size=mkt.algorithm.traffic_key_length, max_size=mkt.algorithm.traffic_key_length)),
            )
            for mkt in keyed
            for sender in (0, 1)
        ]
        ends = draw(st.sampled_from([("10.0.0.1", "10.0.0.2"), ("[fd00::1]", "[fd00::2]")]))
        connections.append(
            LoggedConnection(
                (parse_endpoint(f"{ends[0]}:{port}"), parse_endpoint(f"{ends[1]}:179")),
                isns,
                (draw(st.none() | numbers), None),
                draw(st.sampled_from(["handshake", "told", "recovered"])),
                tuple(keys),
            )
        )
    return TrafficKeyLog((peer,), tuple(connections))


def bare(mkt: MasterKeyTuple) -> MasterKeyTuple:
    return dataclasses.replace(mkt, origin=NOWHERE)


@examples(60)
@given(logs())
def test_what_is_written_is_what_is_read(log: TrafficKeyLog) -> None:
    store = parse_log(write_log(log), PATH)
    (peer,), (written,) = store.peers, log.peers
    assert dataclasses.replace(peer, origin=NOWHERE, mkts=()) == dataclasses.replace(written, mkts=())
    assert tuple(map(bare, peer.mkts)) == written.mkts
    expected = {
        (key.mkt, key.context(connection.ends)): key.key for connection in log.connections for key in connection.keys
    }
    found = {
        (mkt.logged.number, context): key
        for mkt in peer.mkts
        if mkt.logged is not None
        for context, key in mkt.logged.by_context.items()
    }
    assert found == expected
    known = [(one.local, one.remote, one.local_isn, one.remote_isn) for one in (*store.connections, *store.offered)]
    assert set(known) == {(*one.ends, *one.isns) for one in log.connections}


def test_carriage_returns_blank_lines_and_comments_are_nothing() -> None:
    text = "\r\n".join(["", "# more", *sample().split("\n")[1:]])
    found, expected = (
        store.peers[0].mkts for store in (parse_log(f"{MAGIC} 1{text}", PATH), parse_log(sample(), PATH))
    )
    assert tuple(map(bare, found)) == tuple(map(bare, expected))


def test_the_first_word_is_told_apart_before_the_reader_is_loaded() -> None:
    assert MAGIC.encode("ascii") == _LOG_MAGIC


@pytest.mark.parametrize("algorithm", [row for row in ALGORITHMS if not row.is_md5], ids=lambda row: str(row.name))
def test_a_traffic_key_is_as_long_as_its_algorithm_says(algorithm: Algorithm) -> None:
    try:
        assert len(algorithm.derive(bytes(16), bytes(20))) == algorithm.traffic_key_length
    except UsageError:
        pytest.skip("its package is not installed")


def test_a_log_is_loaded_by_its_content_under_any_name(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(sample())
    path.chmod(0o644)
    store = load_keys([str(path)])
    assert [mkt.name for peer in store.peers for mkt in peer.mkts] == ["k1", "k2", "9/9"]
    assert "its traffic keys" in store.warnings[0].message


class TestThePage:
    PAGE = (PROJECT_ROOT / "docs" / "traffic-keys.md").read_text(encoding="utf-8")

    def test_its_log_is_that_of_rfc_9235(self) -> None:
        (shown,) = re.findall(r"^```text\n(.*?)^```$", self.PAGE, re.DOTALL | re.MULTILINE)
        conversation = Conversation(
            [Key(name="2026q4", send_id=61, recv_id=84)],
            client="10.11.12.13:59863",
            server="172.27.28.29:179",
            client_isn=0xFBFBAB5A,
            server_isn=0x11C14261,
        )
        written = log_of(conversation.syn().syn_ack().to_pcap(), store_of(conversation.key_file()))
        assert shown == re.sub(r"^#.*\n", "", written, flags=re.MULTILINE)

    def test_it_names_every_word_and_field(self) -> None:
        fields = {*PEER_FIELDS, *MKT_FIELDS, *CONNECTION_FIELDS, *SYN_FIELDS, *OTHER_FIELDS, *END_FIELDS}
        assert {name for name in (*fields, *ISN_WORDS) if f"`{name}`" not in self.PAGE} == set()

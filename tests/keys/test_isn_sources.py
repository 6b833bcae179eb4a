"""ISNs are read from what routers and Linux print, and printed as entries that the key file takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.errors import KeyFileError
from aoinspect.keys.isn_sources import connection_entry, parse_isns
from aoinspect.keys.toml_file import parse_key_file

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "pcaps"

IOS = """
Router#show tcp
Connection state is ESTAB, I/O status: 1, unread input bytes: 0
Connection is ECN Disabled, Mininum incoming TTL 0, Outgoing TTL 1
Local host: 172.27.28.29, Local port: 179
Foreign host: 10.11.12.13, Foreign port: 59863
Connection tableid (VRF): 0

Event Timers (current time is 0x1A2B3C):
Timer          Starts    Wakeups            Next
Retrans             6          0             0x0

iss:  297878113  snduna:  297878232  sndnxt:  297878232
irs: 4227574618  rcvnxt: 4227574700

sndwnd:  16270  scale:      0  maxrcvwnd:  16384
"""

IOS_XR = """
==============================================================
Connection state is ESTAB, I/O status: 0, socket status: 0
Established at Thu Nov 19 10:20:30 2026

PCB 0x7f2c14018c48, SO 0x7f2c14017d58, TCPCB 0x7f2c140190e8, vrfid 0x60000000,
Pak Prio: Medium, TOS: 192, TTL: 1, Hash index: 1122
Local host: 10.0.0.1, Local port: 179 (Local App PID: 5412)
Foreign host: 10.0.0.2, Foreign port: 23456
(Local App PID/instance/SPL_APP_ID: 5412/1/0)

Current send queue size in bytes: 0 (max 24576)
iss: 3456789012  snduna: 3456789999  sndnxt: 3456789999
sndmax: 3456789999  sndwnd: 31950   sndcwnd: 4380
irs: 1234567890  rcvnxt: 1234568999  rcvwnd: 32000   rcvadv: 1234600999

==============================================================
Connection state is ESTAB, I/O status: 0, socket status: 0
Local host: 2001:db8::1, Local port: 33000
Foreign host: 2001:db8::2, Foreign port: 179
iss: 5  snduna: 6  sndnxt: 6
irs: 7  rcvnxt: 8
"""

JUNOS = """
Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address             Foreign Address           (state)
tcp4       0      0  124.252.255.65.179        124.252.255.66.50123      ESTABLISHED
   sndsbcc:          0 sndsbmbcnt:          0  sndsbmbmax:     131072
       iss: 2222222222      sndup: 2222222300
    snduna: 2222222301     sndnxt: 2222222301      sndwnd:      16384
       irs: 1111111111      rcvup: 1111111180
tcp4       0      0  *.22                      *.*                       LISTEN
tcp6       0      0  2001:db8::1.179           2001:db8::2.60000         ESTABLISHED
       iss: 10      sndup: 11
       irs: 20      rcvup: 21
"""

LINUX = """
local=10.0.0.1:40581 remote=10.0.0.2:179
  snt_isn=0xd99faa32 rcv_isn=0x47a00bfc snd_sne=1 rcv_sne=0
"""


def test_ios_and_ios_xe() -> None:
    (known,) = parse_isns(IOS, "show.txt")
    assert (str(known.local[0]), known.local[1]) == ("172.27.28.29", 179)
    assert (str(known.remote[0]), known.remote[1]) == ("10.11.12.13", 59863)
    assert (known.local_isn, known.remote_isn) == (297878113, 4227574618)
    assert known.origin.line == 5


def test_ios_xr_with_several_connections_and_ipv6() -> None:
    first, second = parse_isns(IOS_XR, "show.txt")
    assert (first.local_isn, first.remote_isn) == (3456789012, 1234567890)
    assert (str(second.remote[0]), second.remote[1], second.local_isn, second.remote_isn) == ("2001:db8::2", 179, 5, 7)


def test_junos_with_listeners_between() -> None:
    first, second = parse_isns(JUNOS, "show.txt")
    assert (str(first.local[0]), first.local[1], first.remote[1]) == ("124.252.255.65", 179, 50123)
    assert (first.local_isn, first.remote_isn) == (2222222222, 1111111111)
    assert (str(second.local[0]), second.local_isn, second.remote_isn) == ("2001:db8::1", 10, 20)


def test_linux_repair_dumps_with_their_snes() -> None:
    (known,) = parse_isns(LINUX, "dump.txt")
    assert (known.local_isn, known.remote_isn) == (0xD99FAA32, 0x47A00BFC)
    assert (known.local_sne, known.remote_sne) == (1, 0)


def test_the_facts_of_a_recorded_capture_are_a_repair_dump_too() -> None:
    path = SAMPLES / "mid-capture.json"
    facts = json.loads(path.read_text())
    isns = {(known.local_isn, known.remote_isn) for known in parse_isns(path.read_text(), str(path))}
    told = {(connection["client_isn"], connection["server_isn"]) for connection in facts["connections"]}
    assert told & isns


@pytest.mark.parametrize("text", [IOS, IOS_XR, JUNOS, LINUX])
def test_what_is_printed_is_what_the_key_file_takes(text: str) -> None:
    found = parse_isns(text, "show.txt")
    key_file = "version = 1\n" + "\n".join(connection_entry(known) for known in found)
    again = parse_key_file(key_file, "keys.toml").connections
    assert [(k.local, k.remote, k.local_isn, k.remote_isn, k.local_sne) for k in again] == [
        (k.local, k.remote, k.local_isn, k.remote_isn, k.local_sne) for k in found
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing to see", "no connection with its ISNs"),
        ("iss: 1\nirs: 2\n", "without both sockets"),
        (IOS.replace("irs: 4227574618", ""), "show.txt:5: one ISN"),
        (IOS.replace("4227574618", "99999999999"), "exceeds 32 bits"),
    ],
)
def test_what_is_missing_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(KeyFileError, match=message):
        parse_isns(text, "show.txt")


@given(st.text(max_size=400) | st.text(alphabet='lLocalRremote host:,=ius []{}0123456789.\n"', max_size=400))
def test_any_text_gives_connections_or_a_message(text: str) -> None:
    message = "show.txt:"
    try:
        found = parse_isns(text, "show.txt")
    except KeyFileError as error:
        message = str(error)
        found = ()
    assert found or message.startswith("show.txt:")

"""For every finding a capture that raises it, and one that is near and does not.

A scene is the octets of a capture and the key file to read it with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from aoinspect.engine.limits import Limits
from tests.conversation import Conversation, Key, merge
from tests.packets import Record, ethernet, ip_fragments, write_pcap
from tests.reference_signer import TCP_MD5
from tests.told_capture import Capture

SECOND = 1_000_000_000

OLD = Key(name="old", send_id=1, recv_id=101, secret=b"the old secret of this peer")
NEW = Key(name="new", send_id=2, recv_id=102, secret=b"the new secret of this peer")
MD5 = Key(name="md5", algorithm=TCP_MD5, secret=b"an md5 password")


@dataclass(frozen=True)
class Scene:
    """What `aoinspect verify` would be given."""

    capture: bytes
    key_file: str
    limits: Limits = field(default_factory=Limits)


def told(conversation: Conversation, key_file: str | None = None) -> Scene:
    return Scene(conversation.to_pcap(), conversation.key_file() if key_file is None else key_file)


def merged(capture: Capture) -> Scene:
    return Scene(capture.to_pcap(), capture.key_file())


def talk(**options: object) -> Conversation:
    """A session with two keys, up and talking under the first."""
    conversation = Conversation([OLD, NEW], **options)  # type: ignore[arg-type]
    return conversation.handshake().data("a", 100).ack("b").data("b", 100).ack("a")


def with_lifetime(key_file: str, lifetime: str) -> str:
    """The key file with a send lifetime in its first key."""
    head, _, tail = key_file.partition("  algorithm = ")
    return f"{head}  send-lifetime = {lifetime}\n  algorithm = {tail}"


SCENES: dict[str, tuple[Callable[[], Scene], Callable[[], Scene]]] = {}
"""Ident -> what raises it, and what is near."""


def scene(ident: str) -> Callable[[Callable[[], tuple[Scene, Scene]]], Callable[[], tuple[Scene, Scene]]]:
    """Enters a function that makes both scenes of a finding."""

    def enter(make: Callable[[], tuple[Scene, Scene]]) -> Callable[[], tuple[Scene, Scene]]:
        SCENES[ident] = (lambda: make()[0], lambda: make()[1])
        return make

    return enter


@scene("ends-disagree")
def _ends_disagree() -> tuple[Scene, Scene]:
    other = replace(OLD, secret=b"a typo in this secret")
    return told(Conversation([OLD], server_keys=[other]).syn()), told(Conversation([OLD]).handshake())


@scene("options-flag-differs-by-direction")
def _options_flag() -> tuple[Scene, Scene]:
    client = replace(OLD, include_options=False)
    conversation = Conversation([client], server_keys=[OLD], timestamps=True).handshake().data("a", 50).data("b", 50)
    automatic = conversation.key_file().replace('tcp-options = "exclude"', 'tcp-options = "auto"')
    automatic = automatic.replace('tcp-options = "include"', 'tcp-options = "auto"')
    near = Conversation([client], timestamps=True).handshake().data("a", 50).data("b", 50)
    return told(conversation, automatic), told(near, near.key_file().replace('"exclude"', '"auto"'))


@scene("mac-length-changed")
def _mac_length() -> tuple[Scene, Scene]:
    shorter = replace(NEW, mac_length=8)
    changed_key = Conversation([OLD, shorter]).handshake().data("a", 10).rollover("a", to=2).data("a", 10).ack("b")
    return told(talk().data("a", 10).change_mac_length(8)), told(changed_key)


@scene("rnext-not-followed")
def _rnext_not_followed() -> tuple[Scene, Scene]:
    ignoring = talk().rnext("b", "new").ack("b").advance(5 * SECOND).data("a", 10).ack("b")
    return told(ignoring), told(talk().rollover("a", to=2).advance(5 * SECOND).data("a", 10).ack("b"))


@scene("key-changed-unprompted")
def _unprompted() -> tuple[Scene, Scene]:
    forced = talk().switch("a", "new").data("a", 10).ack("b").switch("a", "old").data("a", 10)
    return told(forced), told(talk().rollover("a", to=2).data("a", 10))


@scene("current-key-vanished")
def _vanished() -> tuple[Scene, Scene]:
    gone = talk().switch("a", "new").data("a", 10).ack("b").data("a", 10)
    returning = talk().switch("a", "new").data("a", 10).ack("b").switch("a", "old").data("a", 10)
    return told(gone), told(returning)


@scene("unknown-rnext")
def _unknown_rnext() -> tuple[Scene, Scene]:
    asking = talk().rnext("b", "new").ack("b")
    one_key = Conversation([OLD]).key_file()
    return told(asking, one_key), told(asking)


@scene("rnext-unused")
def _rnext_unused() -> tuple[Scene, Scene]:
    return told(talk().rnext("b", "new").ack("b")), told(talk().rnext("b", "new").ack("b").switch("a", "new").ack("a"))


@scene("unsigned-segment")
def _unsigned() -> tuple[Scene, Scene]:
    stray = talk().stray("a", 0x11223400).data("a", 10).ack("b")
    return told(stray), told(talk().abort("b").strip_option())


@scene("unsigned-rst")
def _unsigned_rst() -> tuple[Scene, Scene]:
    return told(talk().abort("b").strip_option()), told(talk().abort("b"))


@scene("ao-stripped-mid-connection")
def _stripped() -> tuple[Scene, Scene]:
    stripped = talk().data("a", 10).strip_option().data("a", 10).strip_option().data("a", 10).strip_option()
    return told(stripped), told(talk().data("a", 10).strip_option().data("a", 10).ack("b"))


@scene("ao-and-md5-together")
def _both_options() -> tuple[Scene, Scene]:
    return told(talk().data("a", 10).add_md5_option()), told(talk().data("a", 10).add_second_option())


@scene("more-than-one-ao-option")
def _two_options() -> tuple[Scene, Scene]:
    return told(talk().data("a", 10).add_second_option()), told(talk().data("a", 10).add_md5_option())


@scene("method-changed")
def _method_changed() -> tuple[Scene, Scene]:
    live = Conversation([MD5, OLD]).handshake().data("a", 10).switch("a", "old").switch("b", "old")
    live = live.rnext("a", "old").rnext("b", "old").data("a", 10).ack("b")
    restarted = merge(
        [
            Conversation([MD5], client_isn=1000).handshake().abort("a"),
            Conversation([OLD], client_isn=900_000, start_ns=1_790_000_100_000_000_000).handshake().data("a", 10),
        ]
    )
    return told(live), merged(restarted)


@scene("retransmission-differs")
def _differs() -> tuple[Scene, Scene]:
    isn = 0x11223344
    other = talk().stray("a", isn + 1, signed="correctly", payload=b"other octets here")
    return told(other), told(talk().retransmit(3))


@scene("replayed-segment")
def _replayed() -> tuple[Scene, Scene]:
    return told(talk().advance(5 * SECOND).duplicate(3).ack("b")), told(talk().duplicate(3).ack("b"))


@scene("syn-unanswered")
def _unanswered() -> tuple[Scene, Scene]:
    return told(Conversation([OLD]).syn().advance(SECOND).retransmit(0)), told(Conversation([OLD]).syn().syn_ack())


@scene("segment-offloaded")
def _offloaded() -> tuple[Scene, Scene]:
    large = talk().data("a", 4000).flip_bit(100)
    return told(large), told(talk().data("a", 4000))


@scene("isn-unknown")
def _isn_unknown() -> tuple[Scene, Scene]:
    midway = Conversation([OLD]).established(client_octets=70_000, server_octets=90_000).data("a", 10).ack("b")
    return told(midway), Scene(midway.to_pcap(), midway.key_file(with_connections=True))


@scene("capture-cut")
def _cut() -> tuple[Scene, Scene]:
    return told(talk().data("a", 500).cut(100)), told(talk().data("a", 500))


@scene("key-outside-lifetime")
def _lifetime() -> tuple[Scene, Scene]:
    conversation = talk()
    over = with_lifetime(conversation.key_file(), "{ until = 2020-01-01T00:00:00Z }")
    current = with_lifetime(conversation.key_file(), "{ from = 2020-01-01T00:00:00Z }")
    return told(conversation, over), told(conversation, current)


START_NS = 1_790_000_000 * SECOND
"""When every conversation begins; 2026-09-21T14:13:20Z."""
HOUR = 3_600 * SECOND


def planned(conversation: Conversation, old: str, new: str) -> Scene:
    """Read with send lifetimes for both keys, in seconds from the beginning: "-60..30", "30..", ".."."""
    key_file = conversation.key_file()
    for name, told in (("old", old), ("new", new)):
        begins, _, ends = told.partition("..")
        moments = [
            f"{member} = {datetime.fromtimestamp(START_NS // SECOND + int(seconds), UTC).isoformat()}"
            for member, seconds in (("from", begins), ("until", ends))
            if seconds
        ]
        if moments:
            lifetime = f"  send-lifetime = {{ {', '.join(moments)} }}\n"
            key_file = key_file.replace(f'  name = "{name}"\n', f'  name = "{name}"\n{lifetime}')
    return told_with(conversation, key_file)


def told_with(conversation: Conversation, key_file: str) -> Scene:
    return Scene(conversation.to_pcap(), key_file)


def changing_after(nanoseconds: int) -> Conversation:
    """Both ends change from the old key to the new one; the client does so that late."""
    conversation = talk().advance(nanoseconds - SECOND).data("a", 10).ack("b").advance(SECOND)
    return conversation.rollover("a", to=2).data("a", 10).ack("b")


@scene("handover-not-seen")
def _not_seen() -> tuple[Scene, Scene]:
    staying = talk().advance(60 * SECOND).data("a", 10).ack("b")
    return planned(staying, "..30", "30.."), planned(staying, "..55", "55..")


@scene("handover-early")
def _early() -> tuple[Scene, Scene]:
    changing = changing_after(60 * SECOND)
    return planned(changing, "..3660", "3660.."), planned(changing, "..3660", "65..")


@scene("handover-late")
def _late() -> tuple[Scene, Scene]:
    changing = changing_after(60 * SECOND)
    return planned(changing, "..-3540", "-3540.."), planned(changing, "..52", "20..")


@scene("handover-unplanned")
def _not_planned() -> tuple[Scene, Scene]:
    changing = changing_after(60 * SECOND)
    return planned(changing, "..", "..30"), planned(changing, "..90", "30..")


@scene("short-mac")
def _short_mac() -> tuple[Scene, Scene]:
    short = replace(OLD, mac_length=4)
    return told(Conversation([short]).handshake()), told(Conversation([OLD]).handshake())


@scene("weak-algorithm")
def _weak() -> tuple[Scene, Scene]:
    weak = replace(OLD, algorithm="hmac(md5)", mac_length=12)
    return told(Conversation([weak]).handshake()), told(Conversation([OLD]).handshake())


@scene("linux-refuses-algorithm")
def _refused() -> tuple[Scene, Scene]:
    odd = replace(OLD, algorithm="hmac(sha512)", mac_length=12)
    even = replace(OLD, algorithm="hmac-sha-256-96", mac_length=12)
    return told(Conversation([odd]).handshake()), told(Conversation([even]).handshake())


@scene("md5-in-use")
def _md5() -> tuple[Scene, Scene]:
    return told(Conversation([MD5]).handshake()), told(Conversation([OLD]).handshake())


@scene("same-secret-many-peers")
def _same_secret() -> tuple[Scene, Scene]:
    def peers(shared: bool) -> Scene:
        return merged(
            merge(
                [
                    Conversation(
                        [replace(OLD, name=f"peer{n}", secret=b"one for all" if shared else b"secret %d" % n)],
                        client=f"10.0.0.{n}:40000",
                        server="10.0.1.1:179",
                    ).handshake()
                    for n in (1, 2, 3)
                ]
            )
        )

    return peers(shared=True), peers(shared=False)


@scene("linux-isn-before-wrap")
def _isn_before_wrap() -> tuple[Scene, Scene]:
    return (
        told(Conversation([OLD], client_isn=0xFFFFFFFF).handshake().data("a", 10)),
        told(Conversation([OLD], client_isn=0xFFFFFFFE).handshake().data("a", 10)),
    )


@scene("linux-timewait-unsigned-ack")
def _timewait() -> tuple[Scene, Scene]:
    return told(talk().close("a").ack("a").strip_option()), told(talk().ack("a").strip_option().close("a"))


@scene("linux-unverifiable-rst")
def _odd_rst() -> tuple[Scene, Scene]:
    return told(talk().abort("b").sign_with_wrong_isns()), told(talk().abort("b"))


@scene("capture-damaged")
def _damaged() -> tuple[Scene, Scene]:
    whole = told(talk())
    return Scene(whole.capture[:-7], whole.key_file), whole


@scene("limit-reached")
def _limit_reached() -> tuple[Scene, Scene]:
    two = merge([talk(), talk(client="10.0.0.3:40000")])
    scene = merged(two)
    return replace(scene, limits=Limits(connections=1)), replace(scene, limits=Limits(connections=4))


@scene("old-option")
def _old_option() -> tuple[Scene, Scene]:
    bonica = bytes([253, 16, 2, 5]) + bytes(12)
    # TCP Fast Open's experiment with a cookie of eight octets (RFC 6994, RFC 7413 A) has the same kind.
    experimental = bytes([254, 12, 0xF9, 0x89]) + bytes(8)
    conversation = Conversation([]).syn(other_options=bonica)
    near = Conversation([]).syn(other_options=experimental)
    return told(conversation, Conversation([OLD]).key_file()), told(near, Conversation([OLD]).key_file())


@scene("fragments-incomplete")
def _fragments() -> tuple[Scene, Scene]:
    conversation = talk().data("a", 1000)
    packets = [segment.packet for segment in conversation.segments]
    pieces = ip_fragments(packets[-1], 576)
    key_file = conversation.key_file()

    def capture(parts: list[bytes]) -> bytes:
        frames = [ethernet(packet) for packet in (*packets[:-1], *parts)]
        return write_pcap(
            Record(frame, len(frame), 1_790_000_000_000_000_000 + number) for number, frame in enumerate(frames)
        )

    return Scene(capture(list(pieces[:-1])), key_file), Scene(capture(list(pieces)), key_file)

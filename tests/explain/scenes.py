"""For each hypothesis captures made for it: a conversation with that one fault, and the key file to read it with.

Signing is `reference_signer`'s, which shares nothing with the product. A fault is either in how a segment is signed
(`Fault`), or in the key file, which says something else than what both ends signed with.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import replace

from tests.conversation import Conversation, Key, merge
from tests.explain.explaining import Told
from tests.planned_segment import Fault
from tests.reference_signer import TCP_MD5, cmac_aes128

SECOND = 1_000_000_000
CLIENT_ISN, SERVER_ISN = 0x11223344, 0x99AABBCC
"""Of every conversation that says nothing else."""

KEY = Key(name="edge", secret=b"the secret of this edge")
OTHER = Key(name="other", send_id=2, recv_id=102, secret=b"quite another secret")
SHA256 = Key(name="edge", algorithm="hmac-sha-256-128", secret=b"the secret of this edge")
CMAC = Key(name="edge", algorithm="aes-128-cmac-96", secret=b"sixteen octets!!")
MD5 = Key(name="edge", algorithm=TCP_MD5, secret=b"an md5 password")

Make = Callable[[], Told]
SCENES: list[tuple[str, str, Make]] = []
"""(what explains it, the scene's name, what makes it)."""


def scene(ident: str) -> Callable[[Make], Make]:
    def enter(make: Make) -> Make:
        SCENES.append((ident, make.__name__.strip("_"), make))
        return make

    return enter


def talk(*keys: Key, **options: object) -> Conversation:
    """A session that comes up and talks both ways."""
    conversation = Conversation(list(keys) or [KEY], **options)  # type: ignore[arg-type]
    return conversation.handshake().data("a", 40).ack("b").data("b", 60).ack("a")


def read_with(conversation: Conversation, *keys: Key) -> Told:
    """The capture, and a key file that has these keys."""
    return Told(conversation.to_pcap(), Conversation(list(keys)).key_file())


def faulty(fault: Fault, *keys: Key, beyond_syns: bool = False, **options: object) -> Told:
    conversation = talk(*keys, **options)
    return Told(conversation.fault_everywhere(fault, beyond_syns=beyond_syns).to_pcap(), conversation.key_file())


def with_lifetime(key_file: str, lifetime: str, name: str) -> str:
    """The key file with a send lifetime in the key called `name`."""
    return key_file.replace(f'  name = "{name}"\n', f'  name = "{name}"\n  send-lifetime = {lifetime}\n')


# H1 to H9: the keys.


@scene("H1")
def _both_ends_exclude_options() -> Told:
    return read_with(talk(replace(KEY, include_options=False), timestamps=True), KEY)


@scene("H1")
def _both_ends_include_options() -> Told:
    return read_with(talk(), replace(KEY, include_options=False))


@scene("H1")
def _the_server_excludes_options() -> Told:
    return read_with(talk(server_keys=[replace(KEY, include_options=False)], timestamps=True), KEY)


@scene("H2")
def _another_key_under_this_id() -> Told:
    return read_with(talk(replace(KEY, secret=OTHER.secret)), KEY, OTHER)


@scene("H2")
def _a_key_of_another_peer() -> Told:
    strangers = Conversation([OTHER], client="10.9.9.1:40000", server="10.9.9.2:179")
    conversation = talk(replace(KEY, secret=OTHER.secret))
    return Told(conversation.to_pcap(), merge([Conversation([KEY]), strangers]).key_file())


@scene("H3")
def _ids_swapped() -> Told:
    return read_with(talk(), replace(KEY, send_id=KEY.recv_id, recv_id=KEY.send_id))


@scene("H4")
def _key_id_unknown() -> Told:
    return read_with(talk(Key(name="edge", send_id=7, recv_id=107, secret=b"of nobody")), KEY)


@scene("H5")
def _cmac_for_hmac() -> Told:
    return read_with(talk(replace(KEY, algorithm="aes-128-cmac-96")), KEY)


@scene("H5")
def _sha256_for_sha1() -> Told:
    return read_with(talk(SHA256), KEY)


@scene("H6")
def _hkdf_for_the_kdf_of_rfc5926() -> Told:
    return read_with(talk(replace(SHA256, algorithm="hkdf-sha-256-128")), SHA256)


@scene("H6")
def _the_kdf_of_rfc5926_for_hkdf() -> Told:
    return read_with(talk(SHA256), replace(SHA256, algorithm="hkdf-sha-256-128"))


@scene("H7")
def _a_longer_mac() -> Told:
    return read_with(talk(SHA256), replace(SHA256, mac_length=12))


@scene("H7")
def _a_short_mac() -> Told:
    return read_with(talk(replace(KEY, mac_length=4)), KEY)


@scene("H9")
def _a_cmac_key_padded() -> Told:
    return read_with(talk(replace(CMAC, secret=b"short".ljust(16, b"\0"))), replace(CMAC, secret=b"short"))


@scene("H9")
def _a_cmac_key_cut() -> Told:
    long = b"a secret of more than sixteen octets"
    return read_with(talk(replace(CMAC, secret=long[:16])), replace(CMAC, secret=long))


ENCODINGS: dict[str, tuple[bytes, bytes]] = {
    "text read as hexadecimal": (b"\xde\xad\xbe\xef", b"deadbeef"),
    "hexadecimal with 0x": (b"\xde\xad\xbe\xef", b"0xdeadbeef"),
    "hexadecimal with colons": (b"\xde\xad\xbe\xef", b"de:ad:be:ef"),
    "hexadecimal taken as text": (b"deadbeef", b"\xde\xad\xbe\xef"),
    "hexadecimal taken as text in upper case": (b"DEADBEEF", b"\xde\xad\xbe\xef"),
    "hexadecimal taken as text with 0x": (b"0xdeadbeef", b"\xde\xad\xbe\xef"),
    "double quotes lost": (b"my secret", b'"my secret"'),
    "double quotes kept": (b'"my secret"', b"my secret"),
    "single quotes kept": (b"'my secret'", b"my secret"),
    "blank behind": (b"my secret ", b"my secret"),
    "blank in front": (b" my secret", b"my secret"),
    "blanks lost": (b"mysecret", b"my secret"),
    "blanks around lost": (b"my secret", b" my secret "),
    "line feed behind": (b"my secret\n", b"my secret"),
    "carriage return behind": (b"my secret\r", b"my secret"),
    "both behind": (b"my secret\r\n", b"my secret"),
    "type 7 revealed": (b"interop", b"011A08105E19091F"),
    "type 7 taken literally": (b"011A08105E19091F", b"interop"),
    "$9$ revealed": (b"interop", b"$9$.PT3REyv87CtMX-waJz36"),
    "base64 decoded": (b"zebro", b"emVicm8="),
    "base64 taken literally": (b"emVicm8=", b"zebro"),
    "cut at 80 octets": (b"0123456789" * 8, b"0123456789" * 9),
    "lower case": (b"interop", b"Interop"),
    "upper case": (b"INTEROP", b"interop"),
    "case exchanged": (b"iNTEROP", b"Interop"),
}
"""What was done -> (the secret that signed, the secret of the key file)."""


@scene("H8")
def _hexadecimal_taken_as_text() -> Told:
    return read_with(talk(replace(KEY, secret=b"deadbeef")), replace(KEY, secret=b"\xde\xad\xbe\xef"))


@scene("H8")
def _a_nul_behind_a_cmac_key() -> Told:
    return read_with(talk(replace(CMAC, secret=b"my secret\0")), replace(CMAC, secret=b"my secret"))


@scene("H1+H8")
def _options_excluded_and_hexadecimal_as_text() -> Told:
    signed = replace(KEY, secret=b"deadbeef", include_options=False)
    conversation = Conversation([signed], timestamps=True).handshake()
    # SYNs have options, and so have all others here: none of them can be explained by the secret alone.
    return read_with(conversation, replace(KEY, secret=b"\xde\xad\xbe\xef"))


@scene("H1+H7")
def _options_excluded_and_a_longer_mac() -> Told:
    signed = replace(SHA256, include_options=False)
    return read_with(Conversation([signed], timestamps=True).handshake(), replace(SHA256, mac_length=12))


# H10, H11: options.


def _options_of(segment: bytes) -> bytes:
    return segment[20 : (segment[12] >> 4) * 4]


def _in_message(message: bytes, segment: bytes, options: bytes) -> bytes:
    """A MAC input over IPv4 with other octets where all options are covered."""
    end = 36 + len(_options_of(segment))
    return message[:36] + options + message[end:]


@scene("H10")
def _padding_is_not_covered() -> Told:
    def without_padding(message: bytes, segment: bytes) -> bytes:
        covered = message[36 : 36 + len(_options_of(segment))]
        return _in_message(message, segment, covered.rstrip(b"\x01"))

    return faulty(Fault(message=without_padding), replace(KEY, mac_length=10))


@scene("H11")
def _options_zeroed() -> Told:
    def zeroed(message: bytes, segment: bytes) -> bytes:
        covered = message[36 : 36 + len(_options_of(segment))]
        at = covered.index(bytes([29, 16]))
        return _in_message(message, segment, bytes(at) + covered[at : at + 16] + bytes(len(covered) - at - 16))

    return faulty(Fault(message=zeroed), timestamps=True)


@scene("H11")
def _ao_itself_is_not_covered() -> Told:
    def without_ao(message: bytes, segment: bytes) -> bytes:
        covered = message[36 : 36 + len(_options_of(segment))]
        at = covered.index(bytes([29, 16]))
        return _in_message(message, segment, covered[:at] + covered[at + 16 :])

    return faulty(Fault(message=without_ao))


@scene("H11")
def _key_ids_zeroed() -> Told:
    return faulty(Fault(message=lambda message, _: message.replace(b"\x1d\x10\x01\x65", b"\x1d\x10\0\0", 1)))


# H12, H13, H16, H24: ISNs and SNEs.


def _isns(own: int, peer: int) -> Fault:
    return Fault(context=lambda context: context[:-8] + own.to_bytes(4, "big") + peer.to_bytes(4, "big"))


@scene("H12")
def _a_syn_with_a_destination_isn() -> Told:
    conversation = talk()
    told = conversation.key_file()
    first = conversation.segments[0]
    conversation.segments = [first]
    conversation.fault_everywhere(_isns(CLIENT_ISN, SERVER_ISN))
    conversation.segments += talk().segments[1:]
    return Told(conversation.to_pcap(), told)


@scene("H12")
def _a_syn_ack_without_a_destination_isn() -> Told:
    conversation = Conversation([KEY]).syn().syn_ack().fault_everywhere(_isns(SERVER_ISN, 0), "b")
    return Told(conversation.to_pcap(), conversation.key_file())


@scene("H12")
def _isns_swapped() -> Told:
    return faulty(Fault(context=lambda context: context[:-8] + context[-4:] + context[-8:-4]), beyond_syns=True)


@scene("H13")
def _the_sne_does_not_count() -> Told:
    conversation = talk(client_isn=2**32 - 1000).skip("a", 1000)
    behind_the_wrap = len(conversation.segments)
    for _ in range(3):
        conversation.data("a", 50).sign_with_wrong_sne(-1)
    assert behind_the_wrap < len(conversation.segments)
    return Told(conversation.to_pcap(), conversation.key_file())


@scene("H13")
def _the_sne_is_one_ahead() -> Told:
    return faulty(Fault(sne_shift=1), beyond_syns=True)


@scene("H16")
def _the_other_directions_key() -> Told:
    def crossed(context: bytes) -> bytes:
        return context[4:8] + context[:4] + context[10:12] + context[8:10] + context[16:20] + context[12:16]

    conversation = talk().abort("b")
    last = conversation.segments.pop()
    kept = conversation.segments
    conversation.segments = [last]
    conversation.fault_everywhere(Fault(context=crossed))
    conversation.segments = kept + conversation.segments
    return Told(conversation.to_pcap(), conversation.key_file())


@scene("H24")
def _the_isns_of_the_syn_before() -> Told:
    first = Conversation([KEY], client_isn=0x01020304, server_isn=0x05060708).handshake()
    second = Conversation([KEY], start_ns=1_790_000_001_000_000_001).handshake().data("a", 40)
    second.fault_everywhere(_isns(0x01020304, SERVER_ISN), "a", beyond_syns=True)
    return Told(merge([first, second]).to_pcap(), Conversation([KEY]).key_file())


# H14, H15, H31: how a signer computes.


@scene("H14")
def _counter_0() -> Told:
    return faulty(Fault(kdf_block=lambda block: b"\0" + block[1:]))


@scene("H14")
def _length_in_octets() -> Told:
    return faulty(Fault(kdf_block=lambda block: block[:-2] + (20).to_bytes(2, "big")))


@scene("H14")
def _no_length_under_cmac() -> Told:
    return faulty(Fault(kdf_block=lambda block: block[:-2]), CMAC)


@scene("H14")
def _a_nul_in_the_label() -> Told:
    return faulty(Fault(kdf_block=lambda block: block.replace(b"TCP-AO", b"TCP-AO\0")))


@scene("H14")
def _ports_swapped() -> Told:
    return faulty(Fault(context=lambda context: context[:8] + context[10:12] + context[8:10] + context[12:]))


@scene("H14")
def _ports_in_little_endian_order() -> Told:
    return faulty(Fault(context=lambda context: context[:8] + context[9:7:-1] + context[11:9:-1] + context[12:]))


@scene("H15")
def _the_checksum_is_not_zeroed() -> Told:
    # The reference signs before it fills in the checksum; so a wire checksum of 0x1234 stands for any.
    conversation = talk()
    told = conversation.key_file()
    signed = Fault(message=lambda message, segment: message[:32] + b"\x12\x34" + message[34:], checksum=b"\x12\x34")
    return Told(conversation.fault_everywhere(signed).to_pcap(), told)


@scene("H15")
def _the_payloads_length_in_the_pseudo_header() -> Told:
    def shortened(message: bytes, segment: bytes) -> bytes:
        return message[:14] + (len(segment) - (segment[12] >> 4) * 4).to_bytes(2, "big") + message[16:]

    return faulty(Fault(message=shortened))


@scene("H15")
def _ipv4s_layout_over_ipv6() -> Told:
    def narrow(message: bytes, segment: bytes) -> bytes:
        return message[:36] + b"\0\x06" + len(segment).to_bytes(2, "big") + message[44:]

    return faulty(Fault(message=narrow), client="[fd00::1]:40000", server="[fd00::2]:179")


@scene("H31")
def _the_mac_of_the_mac() -> Told:
    return faulty(Fault(mac=lambda key, traffic_key, mac: hmac.digest(traffic_key, mac, "sha1")))


@scene("H31")
def _the_mac_of_the_cut_mac() -> Told:
    return faulty(Fault(mac=lambda key, traffic_key, mac: cmac_aes128(traffic_key, mac[:12])), CMAC)


@scene("H31")
def _a_mac_of_zeros() -> Told:
    return faulty(Fault(mac=lambda key, traffic_key, mac: bytes(len(mac))))


# H32: TCP-MD5.


@scene("H32")
def _an_md5_password_with_a_line_feed() -> Told:
    return read_with(talk(replace(MD5, secret=MD5.secret + b"\n")), MD5)


@scene("H32")
def _md5_with_its_options() -> Told:
    def covering(message: bytes, segment: bytes) -> bytes:
        return message[:32] + _options_of(segment) + message[32:]

    return faulty(Fault(message=covering), MD5)


@scene("H32")
def _md5_over_the_payload_alone() -> Told:
    return faulty(Fault(message=lambda message, segment: message[:32]), MD5)


# H17, H18: old keys.


@scene("H17")
def _a_key_whose_lifetime_is_over() -> Told:
    old = replace(OTHER, name="old")
    key_file = Conversation([KEY, old]).key_file()
    ended = with_lifetime(key_file, "{ until = 2026-01-01T00:00:00Z }", "old")
    return Told(talk(replace(KEY, secret=old.secret)).to_pcap(), ended)


@scene("H17")
def _a_live_connection_has_the_old_secret() -> Told:
    before = talk(replace(KEY, secret=b"of last year"))
    after = talk(KEY, client="10.0.0.1:40001", start_ns=1_790_000_100_000_000_001)
    return Told(merge([before, after]).to_pcap(), after.key_file())


@scene("H17")
def _the_listener_has_the_old_secret() -> Told:
    as_the_other_end_has_it = replace(KEY, send_id=KEY.recv_id, recv_id=KEY.send_id)
    works = talk(as_the_other_end_has_it, client="10.0.0.2:50000", server="10.0.0.1:179")
    unanswered = Conversation([KEY], client="10.0.0.1:40001", start_ns=1_790_000_100_000_000_001)
    unanswered.syn().advance(SECOND).retransmit()
    return Told(merge([works, unanswered]).to_pcap(), unanswered.key_file())


@scene("H18")
def _used_before_its_lifetime() -> Told:
    conversation = talk()
    # The conversation takes place on 2026-09-21 at 14:13 UTC.
    key_file = with_lifetime(conversation.key_file(), "{ from = 2026-09-21T15:10:00Z }", "edge")
    return Told(conversation.to_pcap(), key_file)


# H19 to H23: the path.


def _with_mss(segment: bytes, mss: int) -> bytes:
    at = segment.find(b"\x02\x04\x05\xb4")
    return segment if at < 0 else segment[: at + 2] + mss.to_bytes(2, "big") + segment[at + 4 :]


@scene("H19")
def _the_mss_of_a_syn_is_clamped() -> Told:
    conversation = Conversation([KEY]).syn().advance(SECOND).retransmit().advance(SECOND).retransmit()
    conversation.fault_everywhere(Fault(as_sent=lambda segment: _with_mss(segment, 8960)))
    return Told(conversation.to_pcap(), conversation.key_file())


@scene("H19")
def _the_mss_of_a_cmac_syn_is_clamped() -> Told:
    conversation = Conversation([CMAC]).syn()
    conversation.fault_everywhere(Fault(as_sent=lambda segment: _with_mss(segment, 1220)))
    return Told(conversation.to_pcap(), conversation.key_file())


@scene("H20")
def _sack_permitted_is_replaced_by_nops() -> Told:
    conversation = Conversation([KEY]).syn(other_options=b"\x02\x04\x05\xb4\x01\x01\x01\x03\x03\x08\x01\x01")
    conversation.fault_everywhere(Fault(as_sent=lambda segment: segment[:24] + b"\x04\x02" + segment[26:]), "a")
    return Told(conversation.to_pcap(), conversation.key_file())


@scene("H20")
def _the_window_scale_is_rewritten() -> Told:
    conversation = Conversation([KEY]).syn()
    conversation.fault_everywhere(Fault(as_sent=lambda segment: segment.replace(b"\x03\x03\x08", b"\x03\x03\x0b")))
    return Told(conversation.to_pcap(), conversation.key_file())


@scene("H20")
def _timestamps_are_added() -> Told:
    def without(segment: bytes) -> bytes:
        at = segment.index(b"\x08\x0a", 20)
        return segment[:at] + b"\x01" * 10 + segment[at + 10 :]

    return faulty(Fault(as_sent=without), timestamps=True, beyond_syns=True)


@scene("H21")
def _ecn_bits_are_cleared() -> Told:
    conversation = Conversation([KEY]).syn()
    ecn_setup = Fault(as_sent=lambda segment: segment[:13] + bytes([segment[13] | 0xC0]) + segment[14:])
    return Told(conversation.fault_everywhere(ecn_setup).to_pcap(), conversation.key_file())


@scene("H21")
def _an_urgent_pointer_is_set() -> Told:
    return faulty(Fault(as_sent=bytes, flipped=((18, 0xAB), (19, 0xCD))))


@scene("H22")
def _a_firewall_shifts_sequence_numbers() -> Told:
    conversation = Conversation([KEY]).syn()
    shifted = Fault(
        as_sent=lambda segment: segment[:4] + bytes.fromhex("01020304") + segment[8:],
        context=lambda context: context[:-8] + bytes.fromhex("0102030400000000"),
    )
    conversation.fault_everywhere(shifted)
    known = """
[[connection]]
local = "10.0.0.1:40000"
remote = "10.0.0.2:179"
local-isn = 0x01020304
remote-isn = 0x99aabbcc
"""
    return Told(conversation.to_pcap(), conversation.key_file() + known)


@scene("H23")
def _the_client_is_behind_a_nat() -> Told:
    conversation = Conversation([KEY]).syn().advance(SECOND).retransmit()
    conversation.fault_everywhere(Fault(signed_addresses=("192.168.7.7", "10.0.0.2")))
    inside = Conversation([KEY], client="192.168.7.7:40000").key_file().removeprefix("version = 1\n")
    return Told(conversation.to_pcap(), conversation.key_file() + inside)


@scene("H23")
def _addresses_are_left_out_as_in_rfc6978() -> Told:
    def without_ends(segment: bytes) -> bytes:
        return bytes(4) + segment[4:]

    conversation = Conversation([KEY]).syn()
    conversation.fault_everywhere(
        Fault(
            signed_addresses=("0.0.0.0", "0.0.0.0"),
            as_sent=without_ends,
            context=lambda context: bytes(12) + context[12:],
        )
    )
    return Told(conversation.to_pcap(), conversation.key_file())


# Facts.


@scene("H25")
def _the_handshake_is_missing() -> Told:
    conversation = Conversation([KEY]).established(client_octets=2000, server_octets=3000).data("a", 40).data("b", 50)
    return Told(conversation.to_pcap(), conversation.key_file())


@scene("H26")
def _the_snap_length_cuts() -> Told:
    conversation = talk().data("a", 300).cut(100)
    return Told(conversation.to_pcap(), conversation.key_file())


@scene("H27")
def _captured_before_segmentation() -> Told:
    conversation = talk().data("a", 5000).flip_bit(60)
    return Told(conversation.to_pcap(), conversation.key_file())


@scene("H28")
def _ao_is_stripped_from_the_middle_on() -> Told:
    conversation = talk()
    for _ in range(3):
        conversation.data("a", 50).strip_option().ack("b")
    return Told(conversation.to_pcap(), conversation.key_file())


@scene("H28")
def _ao_and_md5_together() -> Told:
    conversation = talk().data("a", 50).add_md5_option()
    return Told(conversation.to_pcap(), conversation.key_file())


@scene("H28")
def _nothing_is_signed() -> Told:
    return Told(Conversation([]).handshake().data("a", 50).to_pcap(), Conversation([KEY]).key_file())


@scene("H29")
def _no_key_for_the_rnext_key_id() -> Told:
    client = replace(KEY, recv_id=77)
    conversation = Conversation([client], server_keys=[KEY]).syn().advance(SECOND).retransmit()
    return Told(conversation.to_pcap(), conversation.key_file())


@scene("H30")
def _the_peer_never_follows() -> Told:
    conversation = talk(KEY, OTHER).rnext("b", "other").ack("b").advance(5 * SECOND).data("a", 10).ack("b")
    return Told(conversation.to_pcap(), conversation.key_file())

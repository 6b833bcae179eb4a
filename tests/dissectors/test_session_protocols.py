"""What is said of LDP, MSDP, BMP, PCEP and RPKI to Router messages, made by hand as the RFCs draw them."""

from __future__ import annotations

import struct

import pytest

from dissectors import bmp, ldp, ldp_tlvs, msdp, pcep, rtr
from dissectors.base import Field
from tests.dissectors import application_messages as made
from tests.dissectors.application_messages import ldp_message, ldp_pdu, ldp_tlv, v4
from tests.dissectors.trees import complaints, labelled, named


def of_ldp(payload: bytes) -> Field:
    return ldp.describe(payload, 0, len(payload)).node


def of_bmp(payload: bytes) -> Field:
    return bmp.describe(payload, 0, len(payload)).node


class TestLdp:
    def test_a_pdu_is_called_by_its_messages(self) -> None:
        node = of_ldp(made.LDP_MAPPINGS)
        assert node.value == "Address, Label Mapping, Label Mapping"
        assert node.children[0].value == "192.0.2.1:0"

    def test_session_parameters_are_told(self) -> None:
        """RFC 5036 3.5.3."""
        node = of_ldp(made.LDP_INITIALIZATION)
        assert labelled(node, "Common session parameters").value == "keep-alive 180 s, receiver 192.0.2.2:0"
        assert labelled(node, "FT session").value == "reconnect 120000 ms, recovery 60000 ms"
        assert named(node, "ldp.msg.tlv.sess.mxpdu") == ["4096"]

    def test_label_mappings_name_what_the_label_is_for(self) -> None:
        node = of_ldp(made.LDP_MAPPINGS)
        values = [message.value for message in node.children[0].children[4:]]
        assert values == [
            "Address list 192.0.2.1 198.51.100.1",
            "FEC 198.51.100.0/24, Generic label 299776",
            "FEC PWid 100 type 0x0005, Generic label 16",
        ]

    def test_ipv6_prefixes_and_wildcards_are_told(self) -> None:
        fec = ldp_tlv(0x100, b"\x02\0\x02\x20\x20\x01\x0d\xb8" + b"\x01")
        assert labelled(of_ldp(ldp_pdu(ldp_message(0x402, fec))), "FEC").value == "2001:db8::/32, wildcard"

    @pytest.mark.parametrize(
        "word, text",
        [(0x8000000A, "fatal: Shutdown (10)"), (0x0000002F, "End-of-LIB (47)"), (0x3F123456, "0x3f123456")],
    )
    def test_a_status_is_put_in_words(self, word: int, text: str) -> None:
        status = ldp_tlv(0x300, struct.pack("!IIH", word, 0, 0))
        assert labelled(of_ldp(ldp_pdu(ldp_message(1, status))), "Status").value == text

    def test_a_hello_is_told(self) -> None:
        hello = ldp_message(0x100, ldp_tlv(0x400, struct.pack("!HH", 45, 0xC000)), ldp_tlv(0x401, v4("192.0.2.1")))
        values = "Common hello parameters hold time 45 s, targeted, IPv4 transport address 192.0.2.1"
        assert of_ldp(ldp_pdu(hello)).children[0].children[4].value == values

    def test_an_unknown_tlv_keeps_its_octets_and_its_bits(self) -> None:
        node = of_ldp(ldp_pdu(ldp_message(0x200, ldp_tlv(0xFEEE, b"abc"))))
        tlv = labelled(node, "TLV 0x3eee")
        assert [child.value for child in tlv.children] == ["0x3eee", "3", "616263"]
        assert [bit.value for bit in tlv.children[0].children] == ["set", "set"]

    def test_a_vendors_message_is_named(self) -> None:
        node = of_ldp(ldp_pdu(ldp_message(0x3E01, b"\0\0\0\x09" + b"secret")))
        assert node.value == "Vendor-private 0x3e01"
        assert named(node, "ldp.msg.vendor.id") == ["9"]

    def test_a_tlv_that_leaves_its_message_is_malformed_and_the_next_message_is_not(self) -> None:
        broken = ldp_message(0x201, struct.pack("!HH", 0x300, 99) + b"ab")
        node = of_ldp(ldp_pdu(broken, ldp_message(0x201)))
        assert node.value == "KeepAlive, KeepAlive"
        assert complaints(node) == ["malformed"]

    def test_every_message_and_tlv_of_rfc_5036_has_a_name(self) -> None:
        messages = (1, 0x100, 0x200, 0x201, 0x300, 0x301, 0x400, 0x401, 0x402, 0x403, 0x404)
        tlvs = (0x100, 0x101, 0x103, 0x104, 0x200, 0x201, 0x202, *range(0x300, 0x304), *range(0x400, 0x404), 0x500)
        assert [kind for kind in messages if ldp.name_of(kind).startswith("Message type")] == []
        assert [kind for kind in (*tlvs, 0x501, 0x502, 0x600) if kind not in ldp_tlvs.NAMES] == []


class TestMsdp:
    def test_sources_groups_and_the_rendezvous_point_are_told(self) -> None:
        node = msdp.describe(made.MSDP_SOURCE_ACTIVE, 0, len(made.MSDP_SOURCE_ACTIVE)).node
        assert node.children[0].value == "RP 192.0.2.1, 2 sources"
        assert labelled(node, "Entry").value == "(198.51.100.1, 233.252.0.1)"
        assert named(node, "msdp.sa.src_addr") == ["198.51.100.1", "198.51.100.2"]

    def test_a_packet_of_the_source_may_follow(self) -> None:
        payload = made.msdp(1, made.MSDP_SOURCE_ACTIVE[3:] + b"\x45packet")
        node = msdp.describe(payload, 0, len(payload)).node
        assert labelled(node, "Encapsulated packet").value == b"\x45packet".hex()

    def test_a_notification_is_put_in_words(self) -> None:
        node = msdp.describe(made.MSDP_NOTIFICATION, 0, len(made.MSDP_NOTIFICATION)).node
        assert node.children[0].value == "Hold Timer Expired (4), subcode 0"


class TestBmp:
    def test_a_peer_up_holds_both_open_messages(self) -> None:
        node = of_bmp(made.BMP_PEER_UP)
        assert node.children[0].value == "192.0.2.2 AS 65002 port 33000, local 192.0.2.1 port 179"
        assert [field.label for field in node.children[0].children][-2:] == ["OPEN", "OPEN"]
        assert named(node, "bgp.cap.4as") == ["4200000001"]

    def test_monitored_routes_are_told_with_their_peer(self) -> None:
        node = of_bmp(made.BMP_ROUTES)
        assert node.children[0].value == "2001:db8::2 AS 65002: UPDATE"
        assert named(node, "bgp.mp_reach_nlri_ipv6_prefix") == ["2001:db8::", "::"]
        assert labelled(node, "Time, seconds").value == "2023-11-14T22:13:20Z (1700000000)"

    def test_statistics_are_named_with_their_values(self) -> None:
        assert of_bmp(made.BMP_STATISTICS).children[0].value == (
            "192.0.2.2 AS 65002: prefixes rejected by policy 12, routes in Adj-RIBs-In 900000, "
            "routes in one Adj-RIB-In IPv4 unicast 800000"
        )

    def test_a_peer_down_says_why(self) -> None:
        assert of_bmp(made.BMP_PEER_DOWN).children[0].value == (
            "192.0.2.2 AS 65002: remote system closed with a notification, Cease: Administrative Shutdown"
        )
        by_event = made.bmp(2, made.bmp_peer() + b"\x02\0\x18")
        assert of_bmp(by_event).children[0].value.endswith("closed without a notification, event 24")

    def test_texts_and_the_reason_of_the_end_are_told(self) -> None:
        assert of_bmp(made.BMP_INITIATION).children[0].value == "sysDescr BIRD 3; sysName r1"
        assert of_bmp(made.BMP_TERMINATION).children[0].value == "Reason redundant connection"

    def test_a_local_rib_has_no_peer_address(self) -> None:
        """RFC 9069 4.1: peer type 3, whose first flag is another one."""
        peer = struct.pack("!BB8s16sI4sII", 3, 0x80, bytes(8), bytes(16), 65001, v4("192.0.2.9"), 0, 0)
        node = of_bmp(made.bmp(0, peer + made.bgp_update(nlri=b"\x08\x0a")))
        assert node.children[0].value == "Loc-RIB of 192.0.2.9: UPDATE"
        assert labelled(node, "Filtered (F)").value == "set"

    def test_mirrored_messages_are_told(self) -> None:
        mirrored = struct.pack("!HHH", 1, 2, 1) + struct.pack("!HH", 0, 19) + made.BGP_KEEPALIVE
        assert of_bmp(made.bmp(6, made.bmp_peer() + mirrored)).children[0].value.endswith(": messages lost, KEEPALIVE")

    def test_octets_that_are_no_bgp_message_are_malformed(self) -> None:
        assert complaints(of_bmp(made.bmp(0, made.bmp_peer() + bytes(19)))) == ["malformed"]


class TestPcep:
    def test_an_open_says_its_timers(self) -> None:
        node = pcep.describe(made.PCEP_OPEN, 0, len(made.PCEP_OPEN)).node
        assert labelled(node, "OPEN").value == "keepalive 30 s, dead timer 120 s, session 1"
        assert named(node, "pcep.stateful-pce-capability.lsp-update") == ["set"]
        assert named(node, "pcep.stateful-pce-capability.triggered-resync") == ["not set"]

    def test_a_request_names_its_objects(self) -> None:
        node = pcep.describe(made.PCEP_REQUEST, 0, len(made.PCEP_REQUEST)).node
        assert node.children[0].value == "RP, END-POINTS, BANDWIDTH, METRIC"
        values = [child.value for child in node.children[0].children[3:]]
        assert values == ["request 77", "192.0.2.1 to 198.51.100.1", "125000 octets/s", "TE 10"]

    def test_a_report_says_which_path(self) -> None:
        node = pcep.describe(made.PCEP_REPORT, 0, len(made.PCEP_REPORT)).node
        values = [child.value for child in node.children[0].children[3:]]
        assert values == ["SRP-ID 5", "PLSP-ID 42, up", "192.0.2.9/32, AS 65001"]
        assert labelled(node, "SYMBOLIC-PATH-NAME").value == "to-r2"

    def test_errors_and_closes_are_put_in_words(self) -> None:
        error = pcep.describe(made.PCEP_ERROR, 0, len(made.PCEP_ERROR)).node
        close = pcep.describe(made.PCEP_CLOSE, 0, len(made.PCEP_CLOSE)).node
        assert labelled(error, "PCEP-ERROR").value == "session establishment failure, value 2"
        assert labelled(close, "CLOSE").value == "dead timer expired"

    def test_an_object_shorter_than_its_header_ends_the_message(self) -> None:
        payload = made.pcep(3, struct.pack("!BBH", 2, 0x10, 3))
        assert complaints(pcep.describe(payload, 0, len(payload)).node) == ["malformed"]

    def test_objects_and_tlvs_without_fields_of_ours_are_named(self) -> None:
        payload = made.pcep(3, made.pcep_object(40, 1, bytes(12)), made.pcep_object(99, 1, bytes(4)))
        assert pcep.describe(payload, 0, len(payload)).node.children[0].value == "ASSOCIATION, Object class 99"


class TestRtr:
    @pytest.mark.parametrize(
        "pdu, label, value",
        [
            (made.RTR_QUERY, "Serial Query", "session 4660, serial 9"),
            (made.RTR_RESPONSE, "Cache Response", "session 4660"),
            (made.RTR_IPV4, "IPv4 Prefix", "announce 198.51.100.0/24-25 AS 65001"),
            (made.RTR_IPV6, "IPv6 Prefix", "withdraw 2001:db8::/32-48 AS 65002"),
            (made.RTR_KEY, "Router Key", "announce AS 65003"),
            (made.RTR_END, "End of Data", "session 4660, serial 10, refresh 3600 s, retry 600 s, expire 7200 s"),
            (made.RTR_ERROR, "Error Report", "No Data Available: no data"),
            (made.rtr(7, struct.pack("!I", 10), 1, version=0), "End of Data", "session 1, serial 10"),
            (made.rtr(2, b""), "Reset Query", ""),
            (made.rtr(8, b""), "Cache Reset", ""),
            (made.rtr(11, struct.pack("!III", 65001, 65002, 65003), 0x0100, version=2), "ASPA",
             "announce AS 65001 by 65002 65003"),
        ],
    )  # fmt: skip
    def test_a_pdu_is_put_in_words(self, pdu: bytes, label: str, value: str) -> None:
        node = rtr.describe(pdu, 0, len(pdu)).node
        assert (node.children[0].label, node.children[0].value) == (label, value)
        assert complaints(node) == []

    def test_a_pdu_of_another_versions_length_begins_none(self) -> None:
        pdu = made.rtr(7, struct.pack("!I", 10), 1, version=1)
        assert rtr.describe(pdu, 0, len(pdu)).node.value == "continuation"

"""What is said of BGP messages, made by hand as the RFCs draw them."""

from __future__ import annotations

import struct

import pytest

from dissectors import bgp, bgp_attributes, bgp_capabilities
from dissectors.base import Field
from dissectors.bgp_communities import extended_text
from dissectors.bgp_families import PLAIN_IPV4, family_of, has_path_identifiers
from tests.dissectors import application_messages as made
from tests.dissectors.application_messages import attribute, bgp_update, capability, v4, v6
from tests.dissectors.trees import complaints, labelled, named, walk

PREFIX_24 = b"\x18\xc6\x33\x64"


def described(*messages: bytes) -> Field:
    payload = b"".join(messages)
    return bgp.describe(payload, 0, len(payload)).node


def the_attribute(value: bytes, code: int, flags: int = 0x40) -> Field:
    """The path attribute of an UPDATE that has one."""
    node = described(bgp_update(attribute(code, value, flags)))
    return next(field for field in walk(node) if field.name == "bgp.update.path_attribute")


class TestOpen:
    """This message's capabilities MAY be any; each is named, and those in use have their fields. -- RFC 5492 4"""

    def test_the_fixed_fields_are_told(self) -> None:
        node = described(made.BGP_OPEN)
        assert node.children[0].value == "AS 23456, hold time 90 s, identifier 192.0.2.1"
        fields = ("version", "myas", "holdtime", "identifier")
        assert [named(node, f"bgp.open.{name}") for name in fields] == [["4"], ["23456"], ["90"], ["192.0.2.1"]]

    @pytest.mark.parametrize(
        "octets, label, value",
        [
            (capability(1, struct.pack("!HBB", 2, 0, 128)), "Multiprotocol extensions", "IPv6 VPN unicast"),
            (capability(2), "Route refresh", ""),
            (capability(5, struct.pack("!HHH", 1, 1, 2)), "Extended next hop encoding", "IPv4 unicast by IPv6"),
            (capability(6), "Extended message", ""),
            (capability(9, b"\x04"), "BGP role", "peer"),
            (capability(64, struct.pack("!HHBB", 0x4078, 1, 1, 0x80)), "Graceful restart",
             "120 s, IPv4 unicast forwarding preserved"),
            (capability(64, struct.pack("!H", 120)), "Graceful restart", "120 s"),
            (capability(65, struct.pack("!I", 4200000001)), "4-octet AS number", "4200000001"),
            (capability(69, struct.pack("!HBB", 2, 1, 2)), "ADD-PATH", "IPv6 unicast send"),
            (capability(70), "Enhanced route refresh", ""),
            (capability(71, struct.pack("!HBB", 1, 1, 0) + b"\0\x0e\x10"), "Long-lived graceful restart",
             "IPv4 unicast 3600 s"),
            (capability(73, b"\x02r1\0"), "FQDN", "r1"),
            (capability(251, b"x"), "Experimental capability 251", ""),
            (capability(222, b"x"), "Capability 222", ""),
        ],
    )  # fmt: skip
    def test_a_capability_is_named_with_its_value(self, octets: bytes, label: str, value: str) -> None:
        field = labelled(described(made.bgp_open(octets)), label)
        assert (field.value, field.name) == (value, "bgp.cap")
        assert field.start == 31
        assert field.end == 31 + len(octets)

    def test_every_assigned_capability_has_a_name(self) -> None:
        assigned = (*range(1, 10), *range(64, 78))
        assert [code for code in assigned if bgp_capabilities.name_of(code).startswith("Capability")] == []

    def test_a_capability_of_a_wrong_length_is_malformed_and_the_next_one_is_not(self) -> None:
        node = described(made.bgp_open(capability(65, b"\0\0\1"), capability(9, b"\0")))
        assert complaints(labelled(node, "4-octet AS number")) == ["malformed"]
        assert labelled(node, "BGP role").value == "provider"

    def test_extended_optional_parameters_have_lengths_of_two_octets(self) -> None:
        """RFC 9072 2."""
        octets = capability(65, struct.pack("!I", 65001))
        body = struct.pack("!BHH4sBBH", 4, 65001, 90, v4("192.0.2.1"), 255, 255, 3 + len(octets))
        node = described(made.bgp(1, body + struct.pack("!BH", 2, len(octets)) + octets))
        assert complaints(node) == []
        assert named(node, "bgp.cap.4as") == ["65001"]


class TestUpdate:
    def test_attributes_are_named_with_their_values(self) -> None:
        node = described(made.BGP_UPDATE)
        values = {field.label: field.value for field in walk(node) if field.name == "bgp.update.path_attribute"}
        assert values == {
            "ORIGIN": "IGP",
            "AS_PATH": "4200000001 65001 {65002}",
            "NEXT_HOP": "192.0.2.9",
            "MULTI_EXIT_DISC": "50",
            "LOCAL_PREF": "200",
            "ATOMIC_AGGREGATE": "",
            "AGGREGATOR": "AS 65001 192.0.2.7",
            "COMMUNITIES": "65001:100 NO_EXPORT",
            "ORIGINATOR_ID": "192.0.2.5",
            "CLUSTER_LIST": "192.0.2.3 192.0.2.4",
            "EXTENDED_COMMUNITIES": "route target 65000:100, route target 4200000001:200, color 7",
            "AIGP": "metric 77",
            "LARGE_COMMUNITY": "4200000001:1:2",
            "ONLY_TO_CUSTOMER": "AS 65010",
            "Attribute 200": "",
            "MP_UNREACH_NLRI": "IPv6 unicast: 1 prefix",
        }
        assert named(node, "bgp.nlri_prefix") == ["198.51.100.0", "203.0.113.128"]
        assert named(node, "bgp.withdrawn_prefix") == ["172.16.0.0"]
        assert labelled(labelled(node, "NLRI"), "Prefix").value == "198.51.100.0/24"

    def test_every_assigned_attribute_has_a_name(self) -> None:
        assigned = (*range(1, 30), *range(32, 41), 128)
        assert [code for code in assigned if bgp_attributes.name_of(code).startswith("Attribute")] == []

    def test_multiprotocol_routes_have_next_hops_and_prefixes(self) -> None:
        node = described(bgp_update(made.MP_REACH_IPV6))
        reach = "IPv6 unicast via 2001:db8::1 fe80::1: 2 prefixes"
        assert labelled(node, "MP_REACH_NLRI").value == reach
        assert named(node, "bgp.mp_reach_nlri_ipv6_prefix") == ["2001:db8::", "::"]
        assert node.children[0].value == f"MP_REACH_NLRI {reach}"

    def test_labels_and_distinguishers_stand_before_a_vpn_prefix(self) -> None:
        route = b"\x70" + (299776 << 4 | 1).to_bytes(3, "big") + struct.pack("!HHI", 0, 65000, 7) + b"\xc6\x33\x64"
        hop = struct.pack("!Q", 0) + v4("192.0.2.1")
        field = the_attribute(struct.pack("!HBB", 1, 128, 12) + hop + b"\0" + route, 14, 0x80)
        assert field.value == "IPv4 VPN unicast via 192.0.2.1: 1 prefix"
        assert labelled(field, "Prefix").value == "65000:7 198.51.100.0/24 label 299776"

    def test_a_stack_of_labels_ends_at_the_bottom_bit(self) -> None:
        route = b"\x48" + (16 << 4).to_bytes(3, "big") + (17 << 4 | 1).to_bytes(3, "big") + b"\xc6\x33\x64"
        field = the_attribute(struct.pack("!HBB", 1, 4, 4) + v4("192.0.2.1") + b"\0" + route, 14, 0x80)
        assert labelled(field, "Prefix").value == "198.51.100.0/24 label 16/17"

    def test_a_withdrawn_labeled_prefix_has_no_bottom_bit(self) -> None:
        field = the_attribute(struct.pack("!HB", 1, 4) + b"\x30\x80\0\0\xc6\x33\x64", 15, 0x80)
        assert labelled(field, "Prefix").value.startswith("198.51.100.0/24")

    def test_evpn_routes_are_named(self) -> None:
        route = struct.pack("!BB", 3, 17) + struct.pack("!HHI", 0, 65000, 7) + b"\0\0\0\0\x20" + v4("192.0.2.1")
        field = the_attribute(struct.pack("!HBB", 25, 70, 4) + v4("192.0.2.1") + b"\0" + route, 14, 0x80)
        assert labelled(field, "EVPN route").value == "inclusive multicast Ethernet tag 65000:7"

    @pytest.mark.parametrize(
        "message, family",
        [
            (bgp_update(), "IPv4 unicast"),
            (bgp_update(attribute(15, struct.pack("!HB", 2, 1), 0x80)), "IPv6 unicast"),
        ],
    )
    def test_an_update_that_says_nothing_is_an_end_of_rib(self, message: bytes, family: str) -> None:
        """RFC 4724 2."""
        assert described(message).children[0].value.endswith(f"{family}: nothing (End-of-RIB)")

    def test_as_numbers_have_two_octets_only_where_nothing_else_fits(self) -> None:
        two, four = b"\x02\x02" + struct.pack("!HH", 65001, 65002), b"\x02\x01" + struct.pack("!I", 65001)
        assert the_attribute(two, 2).value == "65001 65002"
        assert the_attribute(four, 2).value == "65001"
        assert named(the_attribute(two, 2), "bgp.update.path_attribute.as_path_segment.as2") == ["65001", "65002"]

    def test_path_identifiers_are_seen_where_prefixes_make_no_sense_without(self) -> None:
        """RFC 7911 3."""
        plain = PREFIX_24 + b"\x19\xcb\0\x71\x80"
        with_identifiers = b"\0\0\0\x07" + PREFIX_24 + b"\0\0\0\x08\x19\xcb\0\x71\x80"
        assert not has_path_identifiers(plain, PLAIN_IPV4)
        assert not has_path_identifiers(b"\0", PLAIN_IPV4)
        assert has_path_identifiers(with_identifiers, PLAIN_IPV4)
        node = described(bgp_update(nlri=with_identifiers))
        assert named(node, "bgp.nlri_path_id") == ["7", "8"]
        assert labelled(labelled(node, "NLRI"), "Prefix").value == "198.51.100.0/24 path 7"

    def test_path_identifiers_are_seen_before_labels_too(self) -> None:
        labeled = family_of(1, 4)
        assert labeled is not None
        route = b"\x30" + (16 << 4 | 1).to_bytes(3, "big") + b"\xc6\x33\x64"
        assert not has_path_identifiers(route * 2, labeled)
        assert has_path_identifiers(b"\0\0\0\x01" + route + b"\0\0\0\x02" + route, labeled)

    def test_a_broken_attribute_leaves_the_next_one_readable(self) -> None:
        node = described(bgp_update(attribute(3, b"\xc0\0\2") + attribute(5, struct.pack("!I", 7)), PREFIX_24))
        assert complaints(labelled(node, "NEXT_HOP")) == ["malformed"]
        assert labelled(node, "LOCAL_PREF").value == "7"
        assert named(node, "bgp.nlri_prefix") == ["198.51.100.0"]

    def test_an_attribute_longer_than_the_attributes_ends_them_and_not_the_message(self) -> None:
        node = described(bgp_update(b"\x40\x05\xc8" + b"\0\0", PREFIX_24))
        assert complaints(labelled(node, "Path attributes")) == ["malformed"]
        assert "LOCAL_PREF: 203 octets announced, 5 are left" in labelled(node, "malformed").value
        assert named(node, "bgp.nlri_prefix") == ["198.51.100.0"]

    def test_a_prefix_longer_than_an_address_is_malformed(self) -> None:
        assert complaints(described(bgp_update(nlri=b"\x21\xc6\x33\x64\0\x80"))) == ["malformed"]

    def test_a_value_too_many_octets_long_is_said_to_be(self) -> None:
        assert complaints(the_attribute(b"\0\0\0\x07\x01", 5)) == ["Octets left over"]

    def test_a_set_of_attributes_has_no_set_inside(self) -> None:
        """RFC 6368 5."""
        inside = attribute(5, struct.pack("!I", 7)) + attribute(128, b"\0\0\0\x01" * 30, 0xC0)
        field = the_attribute(struct.pack("!I", 65001) + inside, 128, 0xD0)
        assert field.value == "AS 65001: LOCAL_PREF, ATTR_SET"
        assert [child.label for child in field.children[-1].children][-1] == "Value"


@pytest.mark.parametrize(
    "octets, text",
    [
        ("0002fde800000064", "route target 65000:100"),
        ("0102c000020100c8", "route target 192.0.2.1:200"),
        ("0203fa56ea0100c8", "route origin 4200000001:200"),
        ("030c000000000008", "encapsulation VXLAN"),
        ("4004fde84b989680", "link bandwidth 65000:2e+07 octets/s"),
        ("4300000000000002", "origin validation invalid"),
        ("8006000000000000", "flow rate in octets 0/s"),
        ("8008fde800000064", "flow redirect 65000:100"),
        ("0603020000000001", "router MAC 0x020000000001"),
        ("ff00000000000001", "type 255 subtype 0 0x000000000001"),
    ],
)
def test_an_extended_community_is_put_in_words(octets: str, text: str) -> None:
    assert extended_text(bytes.fromhex(octets)) == text


class TestNotification:
    @pytest.mark.parametrize(
        "body, text",
        [
            (b"\x04\0", "Hold Timer Expired"),
            (b"\x02\x02", "OPEN Message Error: Bad Peer AS"),
            (b"\x02\x0b", "OPEN Message Error: Role Mismatch"),
            (b"\x02\x07" + capability(70), "OPEN Message Error: Unsupported Capability: Enhanced route refresh"),
            (b"\x01\x02\x10\x01", "Message Header Error: Bad Message Length: 4097 octets"),
            (b"\x03\x0b\x40\x02", "UPDATE Message Error: Malformed AS_PATH: 4002"),
            (b"\x05\x02", "Finite State Machine Error: Unexpected Message in OpenConfirm State"),
            (b"\x06\x02", "Cease: Administrative Shutdown"),
            (b"\x06\x02\x03bye", 'Cease: Administrative Shutdown: "bye"'),
            (b"\x06\x04\x05r\xc3\xa9se", 'Cease: Administrative Reset: "rése"'),
            (b"\x06\x01\0\x02\x01\0\0\0\x64", "Cease: Maximum Number of Prefixes Reached: IPv6 unicast, 100 prefixes"),
            (b"\x06\x0a", "Cease: BFD Down"),
            (b"\x06\x09\x06\x02\x03bye", 'Cease: Hard Reset: Cease: Administrative Shutdown: "bye"'),
            (b"\x08\0", "Send Hold Timer Expired"),
            (b"\x63\x05", "Error 99: subcode 5"),
        ],
    )
    def test_code_subcode_and_data_are_put_in_words(self, body: bytes, text: str) -> None:
        node = described(made.bgp(3, body))
        assert node.children[0].value == text
        assert complaints(node) == []

    def test_a_hard_reset_inside_a_hard_reset_goes_no_deeper(self) -> None:
        node = described(made.bgp(3, b"\x06\x09" * 500))
        assert len([field for field in walk(node) if field.label == "Error code"]) == 2

    def test_a_text_longer_than_the_message_is_malformed(self) -> None:
        assert complaints(described(made.bgp(3, b"\x06\x02\x40text"))) == ["malformed"]


def test_a_route_refresh_says_what_and_when() -> None:
    assert described(made.BGP_REFRESH).children[0].value == "IPv4 unicast, beginning of refresh"
    entry = struct.pack("!BIBBB", 0x20, 5, 0, 32, 24) + b"\xc6\x33\x64"
    body = struct.pack("!HBB", 1, 0, 1) + b"\x01" + struct.pack("!BH", 64, len(entry)) + entry
    node = described(made.bgp(5, body))
    assert complaints(node) == []
    assert labelled(node, "Entry").value == "add deny 198.51.100.0/24 0-32"


def test_a_message_of_an_unknown_type_is_named_by_its_number() -> None:
    node = described(made.bgp(77, b"body"), made.BGP_KEEPALIVE)
    assert node.value == "Unknown type 77, KEEPALIVE"


def test_an_ipv6_mapped_next_hop_of_any_odd_length_is_shown_as_octets() -> None:
    field = the_attribute(struct.pack("!HBB", 2, 1, 5) + b"12345" + b"\0" + b"\x20" + v6("2001:db8::")[:4], 14, 0x80)
    assert complaints(field) == []
    assert labelled(field, "Address").value == b"12345".hex()

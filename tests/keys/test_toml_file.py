"""The TOML key file: what each table and key means, and what is said of mistakes."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.ao.mkt import Lifetime, Origin, TcpOptions
from aoinspect.errors import KeyFileError
from aoinspect.keys.toml_file import parse_key_file
from tests.keys.key_texts import KEY, PEER, connection_with, key_with, mistake, mistakes, peer_with, read

DESIGN = """version = 1

[[keychain]]
name = "edge"

  [[keychain.key]]
  name        = "2026q4"            # what every output calls it
  send-id     = 61
  recv-id     = 84
  algorithm   = "hmac-sha-1-96"
  secret      = "testvector"
  mac-length  = 12
  tcp-options = "include"
  send-lifetime   = { from = 2026-10-01T00:00:00Z, until = 2027-01-01T00:00:00Z }

[[peer]]
local    = "10.11.12.13"
remote   = "172.27.28.29"
port     = 179
vrf      = "red"
keychain = "edge"

[[connection]]
local = "10.11.12.13:59863"
remote = "172.27.28.29:179"
local-isn = 0xfbfbab5a
remote-isn = 0x11c14261
local-sne = 0
"""
OCTOBER_2026_NS = 1_790_812_800 * 10**9


def mistakes_if_any(text: str) -> list[str]:
    try:
        parse_key_file(text, "k.toml")
    except KeyFileError as error:
        return str(error).split("\n")
    return []


class TestWhatAFileSays:
    def test_the_example_of_the_design_is_read_whole(self) -> None:
        store = read(DESIGN)
        (peer,) = store.peers
        (chain,) = store.keychains
        (mkt,) = peer.mkts
        (connection,) = store.connections
        assert store.paths == ("k.toml",)
        assert store.warnings == ()
        assert (chain.name, chain.mkts, chain.origin) == ("edge", peer.mkts, Origin("k.toml", 3))
        assert (peer.local, peer.remote) == (ip_network("10.11.12.13"), ip_network("172.27.28.29"))
        assert (peer.port, peer.local_port, peer.remote_port) == (179, None, None)
        assert (peer.vrf, peer.interface, peer.vlan, peer.keychain) == ("red", None, None, "edge")
        assert peer.origin == Origin("k.toml", 16)
        assert (mkt.name, mkt.send_id, mkt.recv_id, mkt.secret) == ("2026q4", 61, 84, b"testvector")
        assert (mkt.algorithm.name, mkt.mac_length, mkt.tcp_options) == (
            "hmac-sha-1-96",
            12,
            TcpOptions.INCLUDE,
        )
        assert mkt.send_lifetime == Lifetime(OCTOBER_2026_NS, OCTOBER_2026_NS + 92 * 86400 * 10**9)
        assert mkt.accept_lifetime is None
        assert mkt.origin == Origin("k.toml", 6)
        assert connection.local == (ip_address("10.11.12.13"), 59863)
        assert connection.remote == (ip_address("172.27.28.29"), 179)
        assert (connection.local_isn, connection.remote_isn) == (0xFBFBAB5A, 0x11C14261)
        assert (connection.local_sne, connection.remote_sne) == (0, None)
        assert connection.origin == Origin("k.toml", 23)

    def test_a_peer_without_local_or_remote_takes_any_address(self) -> None:
        (peer,) = read(peer_with()).peers
        assert (peer.local, peer.remote) == (None, None)

    def test_ipv4_mapped_addresses_of_a_peer_are_ipv4(self) -> None:
        (peer,) = read(peer_with(local='"10.0.0.1"', remote='"::ffff:10.0.0.0/120"')).peers
        assert peer.remote == ip_network("10.0.0.0/24")

    def test_an_interface_is_a_name_or_a_number(self) -> None:
        assert read(peer_with(interface='"eth1"', vlan="20")).peers[0].interface == "eth1"
        assert read(peer_with(interface="7")).peers[0].interface == "7"
        assert read(peer_with(vlan="20")).peers[0].vlan == 20

    def test_ports_of_either_side_and_of_one_side_are_kept_apart(self) -> None:
        (peer,) = read(peer_with(local_port="1", remote_port="65535")).peers
        assert (peer.port, peer.local_port, peer.remote_port) == (None, 1, 65535)

    def test_peers_of_both_ends_stay_two(self) -> None:
        other_end = '[[peer]]\nlocal = "10.0.0.2"\nremote = "10.0.0.1"\n' + KEY.replace("= 1", "= 9")
        assert len(read(PEER + KEY + other_end).peers) == 2

    def test_inline_tables_and_dotted_keys_say_the_same(self) -> None:
        text = (
            'version = 1\nkeychain = [{ name = "a", key = [\n'
            '{ send-id = 1, recv-id = 2, algorithm = "hmac-sha-1-96", secret = "s", '
            "send-lifetime.from = 2026-10-01 },\n"
            "] }]\n"
            'peer = [\n{ remote = "10.0.0.1", keychain = "a" } ]\n'
        )
        store = read(text)
        (mkt,) = store.peers[0].mkts
        assert mkt.origin == Origin("k.toml", 3)
        assert mkt.send_lifetime == Lifetime(OCTOBER_2026_NS, None)
        assert store.peers[0].origin == Origin("k.toml", 6)

    def test_a_byte_order_mark_and_lines_of_windows_are_allowed(self) -> None:
        assert read(DESIGN.replace("\n", "\r\n")).peers == read(DESIGN).peers


class TestKeys:
    def test_a_key_without_a_name_goes_by_its_ids(self) -> None:
        assert read(key_with(send_id="61", recv_id="84")).peers[0].mkts[0].name == "61/84"

    def test_a_tcp_md5_key_has_no_ids_and_16_octets(self) -> None:
        (mkt,) = read(key_with(send_id=None, recv_id=None, algorithm='"tcp-md5"')).peers[0].mkts
        assert (mkt.name, mkt.send_id, mkt.recv_id, mkt.mac_length) == ("tcp-md5", None, None, 16)

    @pytest.mark.parametrize("field", ["send-id = 1", "recv-id = 1", "mac-length = 16", 'tcp-options = "exclude"'])
    def test_a_tcp_md5_key_takes_no_field_of_tcp_ao(self, field: str) -> None:
        text = key_with(send_id=None, recv_id=None, algorithm='"tcp-md5"') + field
        assert mistake(text).startswith(f"k.toml:8: {field.split()[0]} is not for tcp-md5")

    @pytest.mark.parametrize("field", ["send_id", "recv_id"])
    def test_ids_are_from_0_to_255_and_required(self, field: str) -> None:
        name = field.replace("_", "-")
        assert [len(read(key_with(**{field: number})).peers) for number in ("0", "255")] == [1, 1]
        for wrong in ("-1", "256"):
            assert f"{name} must be from 0 to 255" in mistake(key_with(**{field: wrong}))
        assert mistake(key_with(**{field: None})).startswith(f"k.toml:5: [[peer.key]] has no {name}")

    def test_an_unknown_algorithm_names_the_known_ones_and_the_nearest(self) -> None:
        message = mistake(key_with(algorithm='"hmac-sha1-69"'))
        assert message.startswith("k.toml:8: algorithm is unknown; did you mean hmac-sha-1-96?")
        for known in ("aes-128-cmac-96", "hmac-sha-256-128", "cmac(aes)", "tcp-md5"):
            assert known in message

    def test_algorithms_go_by_any_case_and_alias(self) -> None:
        assert read(key_with(algorithm='"HMAC-SHA1-96"')).peers[0].mkts[0].algorithm.name == "hmac-sha-1-96"

    @pytest.mark.parametrize(
        ("algorithm", "default", "highest"),
        [
            ("hmac-sha-1-96", 12, 20),
            ("aes-128-cmac-96", 12, 16),
            ("hmac-sha-256-128", 16, 32),
            ("hmac(sha256)", 12, 32),
            ("hmac(sha512)", 12, 36),
            ("hmac(sha3-384)", 12, 36),
        ],
    )
    def test_a_mac_fits_its_digest_and_the_option(self, algorithm: str, default: int, highest: int) -> None:
        """The MAC has Length - 4 octets (RFC 5925 2.2), and all options together have 40."""
        name = f'"{algorithm}"'
        assert read(key_with(algorithm=name)).peers[0].mkts[0].mac_length == default
        for length in (1, highest):
            assert read(key_with(algorithm=name, mac_length=str(length))).peers[0].mkts[0].mac_length == length
        for length in (0, highest + 1, -1, 2**70):
            message = mistake(key_with(algorithm=name, mac_length=str(length)))
            assert f"mac-length must be from 1 to {highest}" in message

    def test_tcp_options_are_included_unless_said_otherwise(self) -> None:
        given = [
            read(key_with(tcp_options=word)).peers[0].mkts[0].tcp_options for word in ('"exclude"', '"auto"', None)
        ]
        assert given == [TcpOptions.EXCLUDE, TcpOptions.AUTO, TcpOptions.INCLUDE]
        assert '"include" (the default), "exclude" or "auto"' in mistake(key_with(tcp_options='"some"'))


class TestLifetimes:
    @pytest.mark.parametrize(
        "moment",
        [
            "2026-10-01T00:00:00Z",
            "2026-10-01T02:00:00+02:00",
            "2026-10-01 00:00:00",
            "2026-10-01",
            '"2026-10-01T00:00:00Z"',
            '"2026-09-30T19:00:00-05:00"',
            '"2026-10-01t00:00:00"',
            '"2026-10-01"',
        ],
    )
    def test_a_moment_without_an_offset_is_utc(self, moment: str) -> None:
        (mkt,) = read(key_with(accept_lifetime=f"{{ from = {moment} }}")).peers[0].mkts
        assert mkt.accept_lifetime == Lifetime(OCTOBER_2026_NS, None)

    def test_nanoseconds_of_a_string_are_kept(self) -> None:
        (mkt,) = read(key_with(send_lifetime='{ until = "2026-10-01T00:00:00.000000001Z" }')).peers[0].mkts
        assert mkt.send_lifetime == Lifetime(None, OCTOBER_2026_NS + 1)

    def test_moments_at_the_ends_of_the_calendar_are_exact(self) -> None:
        lifetime = "{ from = 0001-01-01T00:00:00+14:00, until = 9999-12-31T23:59:59-14:00 }"
        (mkt,) = read(key_with(send_lifetime=lifetime)).peers[0].mkts
        assert mkt.send_lifetime == Lifetime((-62135596800 - 50400) * 10**9, (253402300799 + 50400) * 10**9)

    @pytest.mark.parametrize("until", ["2026-10-01T00:00:00Z", "2026-09-30", "2026-10-01T01:00:00+02:00"])
    def test_until_comes_after_from(self, until: str) -> None:
        message = mistake(key_with(send_lifetime=f"{{ from = 2026-10-01, until = {until} }}"))
        assert message == "k.toml:10: until of send-lifetime must be after from"

    @pytest.mark.parametrize(
        ("lifetime", "expected"),
        [
            ("{}", "send-lifetime is empty"),
            ("3", "send-lifetime must be a table like { from = ..., until = ... }, not a number"),
            (
                "{ from = 07:00:00 }",
                "from must be a date and time like 2026-10-01T00:00:00Z, not a time of day",
            ),
            ("{ from = 1790812800 }", "from must be a date and time like 2026-10-01T00:00:00Z, not a number"),
            ('{ from = "2026-02-30" }', "from is not a date and time that exists"),
            ('{ from = "2026-W40" }', "from is not a date and time that exists"),
            ('{ from = "next week" }', "from is not a date and time that exists"),
            ("{ form = 2026-10-01 }", "unknown key in send-lifetime; did you mean from?"),
        ],
    )
    def test_what_is_no_lifetime_is_said(self, lifetime: str, expected: str) -> None:
        assert expected in mistake(key_with(send_lifetime=lifetime))

    def test_a_lifetime_may_be_a_table_of_its_own(self) -> None:
        text = PEER + KEY + "[peer.key.send-lifetime]\nfrom = 2026-10-01\nuntil = 1999-01-01\n"
        assert mistake(text) == "k.toml:12: until of send-lifetime must be after from"


class TestMistakesOfTables:
    def test_the_version_is_required_and_named(self) -> None:
        without = mistake(PEER.replace("version = 1", "") + KEY)
        assert without == "k.toml:1: the key file has no version: begin it with `version = 1`"
        for wrong in ("2", "true", "1.0", '"1"'):
            text = PEER.replace("version = 1", f"version = {wrong}") + "nothing-else-is-said = 1"
            assert mistake(text) == "k.toml:1: version must be 1, the only one that this release reads"

    def test_a_peer_has_a_key_chain_or_keys_of_its_own(self) -> None:
        assert mistake(PEER).startswith("k.toml:2: [[peer]] has no keys: add keychain =")
        assert mistake(PEER + "key = []").startswith("k.toml:5: key holds no keys")
        both = '[[keychain]]\nname = "a"\n' + KEY.replace("peer", "keychain")
        assert mistake(PEER + 'keychain = "a"\n' + KEY + both).startswith(
            "k.toml:5: keychain stands beside [[peer.key]]"
        )

    def test_a_key_chain_that_is_not_there_is_named_with_those_that_are(self) -> None:
        chain = '[[keychain]]\nname = "edge"\n' + KEY.replace("peer", "keychain")
        message = mistake(PEER + 'keychain = "egde"\n' + chain)
        assert message == 'k.toml:5: keychain names no [[keychain]] of this file; it has: "edge"'

    def test_a_key_chain_has_a_name_of_its_own_and_keys(self) -> None:
        chain = '[[keychain]]\nname = "edge"\n' + KEY.replace("peer", "keychain")
        message = mistake("version = 1\n" + chain + chain)
        assert message.startswith("k.toml:10: name is that of the key chain at line 2 already")
        assert mistake('version = 1\n[[keychain]]\nname = "a"') == (
            "k.toml:2: [[keychain]] has no keys: add [[keychain.key]] below it"
        )
        assert mistake("version = 1\n" + chain.replace('name = "edge"\n', "")).startswith(
            "k.toml:2: [[keychain]] has no name"
        )

    def test_single_brackets_are_told_from_double_ones(self) -> None:
        assert (
            mistake((PEER + KEY).replace("[[peer]]", "[peer]"))
            == "k.toml:2: peer takes double brackets: write [[peer]]"
        )
        assert mistake((PEER + KEY).replace("[[peer.key]]", "[peer.key]")) == (
            "k.toml:5: key takes double brackets: write [[peer.key]]"
        )

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"remote": '"10.0.0.5/24"'}, "remote has host bits set: write 10.0.0.0/24"),
            ({"remote": "10"}, "remote must be text in quotes, not a number"),
            ({"remote": '"fd00::1"', "local": '"10.0.0.1"'}, "remote is IPv6 and local is IPv4"),
            ({"port": "0"}, "port must be from 1 to 65535"),
            ({"port": "true"}, "port must be a whole number, not true or false"),
            ({"port": '"179"'}, "port must be a whole number, not text: leave the quotes out"),
            ({"local_port": "65536"}, "local-port must be from 1 to 65535"),
            ({"remote_port": "1.5"}, "remote-port must be a whole number, not a number with a fraction"),
            ({"vlan": "4095"}, "vlan must be from 1 to 4094"),
            ({"vrf": '""'}, "vrf must be text that can be printed"),
            ({"vrf": '"\\u001b[2J"'}, "vrf must be text that can be printed"),
            ({"interface": "-1"}, "interface must be from 0 to"),
            ({"interface": "[]"}, "interface must be text in quotes, not an array"),
            ({"locl": '"10.0.0.1"'}, "unknown key in [[peer]]; did you mean local?"),
        ],
    )
    def test_mistakes_of_a_peer_are_named(self, fields: dict[str, str], expected: str) -> None:
        assert expected in mistake(peer_with(**fields))

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"local": None}, "[[connection]] has no local"),
            ({"local_isn": None}, "[[connection]] has no local-isn"),
            ({"local": '"10.0.0.1"'}, 'local is not ADDRESS:PORT; write it like "10.0.0.1:179"'),
            ({"remote": '"[fd00::1]:179"'}, "remote is of another IP version than local"),
            ({"remote": '"10.0.0.1:59863"'}, "remote is the same as local"),
            ({"remote_isn": "0x100000000"}, "remote-isn must be from 0 to 4294967295"),
            ({"local_sne": "-1"}, "local-sne must be from 0 to 4294967295"),
            ({"remote_sne": '"0"'}, "remote-sne must be a whole number, not text"),
        ],
    )
    def test_mistakes_of_a_connection_are_named(self, fields: dict[str, str | None], expected: str) -> None:
        assert expected in mistake(connection_with(**fields))

    def test_a_misspelt_key_is_one_mistake_and_not_also_a_missing_one(self) -> None:
        for right, wrong in (
            ("send-id", "send_id"),
            ("secret", "secert"),
            ("algorithm", "algo"),
            ("version", "verison"),
        ):
            text = (PEER + KEY).replace(right, wrong)
            assert f"did you mean {right}?" in mistake(text)

    def test_tables_of_the_wrong_kind_are_named(self) -> None:
        assert mistake("version = 1\npeer = 3") == "k.toml:2: peer must be tables [[peer]], not a number"
        assert mistake("version = 1\npeer = [\n1]") == "k.toml:3: peer must hold tables [[peer]] only, not a number"


class TestAllMistakesAtOnce:
    FIVE = """version = 1
[[peer]]
local = "10.0.0.1/24"
remote = "10.0.0.2"
  [[peer.key]]
  send-id = 300
  recv-id = 2
  algorithm = "hmac-sha1-95"
  secret-hex = "canary"
  [[peer.key]]
  send-id = 2
  recv-id = 2
  algorithm = "tcp-ao"
  secret = "canary"
"""

    def test_five_mistakes_give_five_messages_with_their_lines_and_no_secret(self) -> None:
        told = mistakes(self.FIVE)
        assert [line.split(":")[:2] for line in told] == [["k.toml", line] for line in ("3", "6", "8", "9", "13")]
        assert "canary" not in "".join(told)

    def test_a_line_of_wrong_syntax_hides_no_other_mistake(self) -> None:
        text = self.FIVE.replace('"10.0.0.2"', "10.0.0.2canary").replace('"tcp-ao"', "tcp-ao")
        told = mistakes(text)
        assert [line.split(":")[1] for line in told] == ["3", "4", "6", "8", "9", "13"]
        assert told[1] == "k.toml:4: column 14: unexpected text after the value; text must stand in one pair of quotes"
        assert told[5].startswith("k.toml:13: column 15: this is no TOML value; text must stand in quotes")
        assert "canary" not in "".join(told)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("version = 1\n[[peer]\n", "k.toml:2: column 7: the table header needs ]] at its end"),
            ('version = 1\nx = """\ncanary', "k.toml:3: column 7: a string is not closed"),
            ("version = 1\nx = [1,\ncanary", "k.toml:3: column 1: this is no TOML value"),
            ("version = 1\nversion = 1\n", "k.toml:2: column 12: this key has a value already"),
            ("version = 1\n[canary]\n[canary]\n", "k.toml:3: column 8: this table is there already"),
            ("version = 1\nx = " + "[" * 5000, "k.toml:2: arrays or tables are nested too deeply"),
            ("version = 1\nx = " + "9" * 5000, "k.toml:2: a number has thousands of digits"),
            ("version = 1\nx = {canary=1,canary=2}", "k.toml:2: column 23: this key has a value already"),
        ],
    )
    def test_wrong_syntax_is_told_with_line_and_column_and_without_the_text(self, text: str, expected: str) -> None:
        told = mistakes(text)
        assert told[0].startswith(expected)
        assert "canary" not in "".join(told)

    @given(st.text())
    def test_any_text_is_a_store_or_a_key_file_error(self, text: str) -> None:
        assert all(line.startswith("k.toml:") for line in mistakes_if_any(text))

    @given(st.data())
    def test_any_damage_to_a_good_file_is_a_store_or_a_key_file_error(self, data: st.DataObject) -> None:
        lines = DESIGN.split("\n")
        for _ in range(data.draw(st.integers(1, 3))):
            number = data.draw(st.integers(0, len(lines) - 1))
            column = data.draw(st.integers(0, len(lines[number])))
            damage = data.draw(
                st.sampled_from(["", '"', "[", "]", "{", "= ", "#", "\n", "x", "'''", "-1", "\\", "\x00"])
            )
            width = data.draw(st.integers(0, 3))
            lines[number] = lines[number][:column] + damage + lines[number][column + width :]
        text = "\n".join(lines)
        told = mistakes_if_any(text)
        assert all(line.startswith("k.toml:") for line in told)
        numbers = [int(line.split(":")[1]) for line in told]
        assert numbers == sorted(numbers)
        assert all(1 <= number <= text.count("\n") + 1 for number in numbers)
        assert "testvector" not in "".join(told)

"""Which system wrote a file, `--keys NAME:FILE`, and what is nobody's file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aoinspect.errors import KeyFileError, UsageError
from aoinspect.keys import load_keys
from aoinspect.keys.importers import IMPORTERS, import_file, recognise, split_system
from tests.importers import test_arista, test_cisco_xe, test_cisco_xr, test_huawei, test_junos, test_nokia

PROJECT_ROOT = Path(__file__).resolve().parents[2]
SHARED = PROJECT_ROOT.parent / "shared"
TEXTS = [
    ("ios-xr", test_cisco_xr.WHOLE),
    ("ios-xr", test_cisco_xr.CHAIN + test_cisco_xr.IDS),
    ("ios-xr", "router bgp 1\n neighbor 192.0.2.1\n  remote-as 2\n  password encrypted 011A08105E19091F\n"),
    ("ios-xe", test_cisco_xe.IOS_XE),
    ("ios-xe", test_cisco_xe.CHAIN),
    ("ios-xe", "router bgp 1\n neighbor 192.0.2.1 remote-as 2\n neighbor 192.0.2.1 password 7 011A08105E19091F\n"),
    ("nx-os", test_cisco_xe.NX_OS),
    ("junos", test_junos.BRACES),
    ("junos", test_junos.SET),
    ("junos", test_junos.CHAIN),
    ("sros", test_nokia.CONFIGURATION),
    ("sros", test_nokia.FRAGMENT),
    ("sros", test_nokia.LINES),
    ("eos", test_arista.WHOLE),
    ("eos", test_arista.PROFILE + test_arista.NEIGHBOUR),
    ("vrp", test_huawei.WHOLE),
    ("vrp", test_huawei.KEYCHAIN + test_huawei.TCP_AO),
]
PROSE = [
    "",
    "Dear all, the key chain of our neighbor expires tomorrow; please set a password.\n",
    "The TCP Authentication Option\n\n  neighbor relations, key-chains { and } braces; set and configure.\n",
    "router ospf 1\n network 10.0.0.0 0.0.0.255 area 0\n",
]


@pytest.mark.parametrize(("name", "text"), TEXTS)
def test_a_text_is_recognised_by_what_it_says(name: str, text: str) -> None:
    for variant in (text, text.replace("\n", "\r\n")):
        importer = recognise(variant)
        assert importer is not None
        assert importer.name == name


@pytest.mark.parametrize("text", PROSE)
def test_prose_and_other_configurations_are_nobodys(text: str) -> None:
    assert recognise(text) is None


@pytest.mark.skipif(not SHARED.exists(), reason="shared captures are not beside the project")
@pytest.mark.shared
def test_every_sample_of_the_users_own_list_is_recognised_and_gives_its_keys(tmp_path: Path) -> None:
    blocks = re.findall(r"```\w*\n(.*?)```", (SHARED / "keys.md").read_text(), re.DOTALL)
    names = {"! IOS-XR": "ios-xr", "! IOS-XE": "ios-xe", "# Junos": "junos", "# Nokia": "sros", "! Arista": "eos"}
    names |= {"# BIRD": "bird", "# GoBGP": "gobgp"}
    read = {}
    for block in blocks:
        name = next(name for beginning, name in names.items() if block.startswith(beginning))
        path = tmp_path / name
        path.write_text(block)
        path.chmod(0o600)
        store = load_keys([str(path)])
        assert load_keys([f"{name}:{path}"]) == store
        (chain,) = store.keychains
        # The sample of SR OS has no neighbour.
        assert [warning for warning in store.warnings if "no key file holds a [[peer]]" not in warning.message] == []
        assert bool(store.peers) == (name != "sros")
        read[name] = [
            (chain.name, mkt.send_id, mkt.recv_id, mkt.secret, mkt.tcp_options.value, mkt.algorithm.name)
            for mkt in chain.mkts
        ]
    sha1, cmac = "hmac-sha-1-96", "aes-128-cmac-96"
    assert read == {
        "ios-xr": [("MXinterop", 0, 0, b"interop", "include", sha1)],
        "ios-xe": [("KC_BGP", 1, 1, b"cisco123", "include", cmac)],
        "junos": [("ao_aes_chain", 9, 2, b"interoptest", "include", cmac)],
        "sros": [("interoptest", 2, 9, b"secret1", "auto", sha1)],
        "eos": [("BGP", 10, 10, b"plain-text", "auto", sha1)],
        "bird": [
            ("p1", 0, 0, b"hello321", "include", "hmac-sha-256-96"),
            ("p1", 2, 1, bytes.fromhex("deadbeef"), "include", cmac),
        ],
        "gobgp": [("fabric", 0, 10, b"zero", "include", sha1)],
    }


class TestNameAndFile:
    def test_only_a_known_name_before_the_colon_is_a_system(self) -> None:
        assert split_system("ios-xr:edge.cfg") == ("ios-xr", "edge.cfg")
        assert split_system("IOS-XR:C:\\edge.cfg") == ("ios-xr", "C:\\edge.cfg")
        for path in ("C:\\keys\\edge.cfg", "edge:1.cfg", "edge.cfg", "ios-xr:", "/tmp/ios-xr:edge.cfg"):
            assert split_system(path) == (None, path)

    def test_every_system_has_a_name_of_its_own_that_can_stand_before_a_colon(self) -> None:
        names = [importer.name for importer in IMPORTERS]
        assert len(set(names)) == len(names)
        # One letter would be a drive of Windows.
        assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]+", name) for name in names)

    def test_the_name_reads_a_file_that_nothing_tells_apart(self, tmp_path: Path) -> None:
        path = tmp_path / "some:file"
        path.write_text("router bgp 1\n neighbor 192.0.2.1\n  password clear x\n")
        path.chmod(0o600)
        (peer,) = load_keys([f"ios-xr:{path}"]).peers
        assert peer.mkts[0].secret == b"x"
        assert peer.origin.path == str(path)

    def test_a_system_that_is_not_known_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="known are aoinspect, ios-xr"):
            import_file(str(tmp_path), "quagga")


class TestFiles:
    def test_what_is_nobodys_is_told_with_all_that_could_be_read(self, tmp_path: Path) -> None:
        path = tmp_path / "letter"
        path.write_text(PROSE[1])
        with pytest.raises(KeyFileError) as caught:
            load_keys([str(path)])
        told = str(caught.value)
        assert told.startswith(f"{path}: neither a key file nor a configuration")
        assert "--keys NAME:FILE" in told
        assert all(importer.name in told for importer in IMPORTERS)

    def test_a_picture_is_nobodys(self, tmp_path: Path) -> None:
        path = tmp_path / "keys.jpg"
        path.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00key chain K tcp\n")
        for argument in (str(path), f"aoinspect:{path}"):
            with pytest.raises(KeyFileError, match="not UTF-8 text at octet 0"):
                load_keys([argument])
        with pytest.raises(KeyFileError, match="no keys of TCP-AO"):
            load_keys([f"ios-xr:{path}"])

    def test_descriptions_need_not_be_utf_8_and_secrets_keep_their_octets(self, tmp_path: Path) -> None:
        path = tmp_path / "edge.cfg"
        text = test_cisco_xr.CHAIN.replace("password 011A08105E19091F", "clear caf\xe9") + test_cisco_xr.IDS
        path.write_bytes(b"hostname Z\xfcrich\n" + text.encode("latin-1"))
        (chain,) = load_keys([str(path)]).keychains
        assert chain.mkts[0].secret == b"caf\xe9"

    def test_a_file_that_everyone_can_read_is_warned_of_where_it_holds_a_secret(self, tmp_path: Path) -> None:
        path = tmp_path / "edge.cfg"
        path.write_text(test_cisco_xr.CHAIN + test_cisco_xr.IDS + test_cisco_xr.NEIGHBOUR)
        path.chmod(0o644)
        (warning,) = load_keys([str(path)]).warnings
        assert "every user of this machine can read" in warning.message
        path.write_text(path.read_text().replace("password 011A08105E19091F", "password6 x"))
        assert load_keys([str(path)]).warnings == ()

    def test_a_configuration_and_a_key_file_combine(self, tmp_path: Path) -> None:
        ours = tmp_path / "keys.toml"
        ours.write_text(
            'version = 1\n[[peer]]\nremote = "192.0.2.1"\nport = 179\n[[peer.key]]\nsend-id = 61\nrecv-id = 84\n'
            'algorithm = "hmac-sha-1-96"\nsecret = "interop"\ntcp-options = "exclude"\n'
            "send-lifetime = { from = 2021-01-01 }\naccept-lifetime = { from = 2021-01-01 }\n"
        )
        theirs = tmp_path / "edge.cfg"
        theirs.write_text(test_cisco_xr.CHAIN + test_cisco_xr.IDS + test_cisco_xr.NEIGHBOUR)
        store = load_keys([str(ours), str(theirs)])
        assert [chain.name for chain in store.keychains] == ["EDGE"]
        assert {mkt.secret for peer in store.peers for mkt in peer.mkts} == {b"interop"}
        assert not any("RFC 5925 3.1" in warning.message for warning in store.warnings)

"""The table of algorithms: KDFs and MACs against their own standards, names, and what it keeps to itself."""

from __future__ import annotations

import hashlib
import hmac
import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.ao.algorithms import (
    ALGORITHMS,
    TCP_MD5,
    Algorithm,
    aes_cmac,
    aes_cmac_prf_128,
    counter_mode_block,
    find_algorithm,
)
from aoinspect.errors import AoinspectError
from tests.ao.vectors import make_mkt

CONTEXT = bytes(range(20))


def mac(algorithm: Algorithm, key: bytes, message: bytes) -> bytes:
    computation = algorithm.keyed_mac(key)
    computation.update(message)
    return computation.finalize()


class TestAesCmac:
    """RFC 4493 4, the same as NIST's."""

    KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    MESSAGE = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )

    @pytest.mark.parametrize(
        "length, expected",
        [
            pytest.param(0, "bb1d6929e95937287fa37d129b756746", id="RFC 4493 4 example 1"),
            pytest.param(16, "070a16b46b4d4144f79bdd9dd04a287c", id="RFC 4493 4 example 2"),
            pytest.param(40, "dfa66747de9ae63030ca32611497c827", id="RFC 4493 4 example 3"),
            pytest.param(64, "51f0bebf7e3b9d92fc49741779363cfe", id="RFC 4493 4 example 4"),
        ],
    )
    def test_examples(self, length: int, expected: str) -> None:
        assert aes_cmac(self.KEY, self.MESSAGE[:length]).hex() == expected
        assert mac(find_algorithm("aes-128-cmac-96"), self.KEY, self.MESSAGE[:length]).hex() == expected


class TestAesCmacPrf128:
    """If it is longer or shorter than 128 bits, then we derive the key, K, by applying the AES-CMAC algorithm
    using the 128-bit all-zero string as the key and VK as the input message. -- RFC 4615 3"""

    @pytest.mark.parametrize(
        "key, expected",
        [
            pytest.param(
                "000102030405060708090a0b0c0d0e0fedcb",
                "84a348a4a45d235babfffc0d2b4da09a",
                id="RFC 4615 4, 18 octets",
            ),
            pytest.param(
                "000102030405060708090a0b0c0d0e0f",
                "980ae87b5f4c9c5214f5b6a8455e4c2d",
                id="RFC 4615 4, 16 octets",
            ),
            pytest.param("00010203040506070809", "290d9e112edb09ee141fcf64c0b72f3d", id="RFC 4615 4, 10 octets"),
        ],
    )
    def test_examples(self, key: str, expected: str) -> None:
        message = bytes.fromhex("000102030405060708090a0b0c0d0e0f10111213")
        assert aes_cmac_prf_128(bytes.fromhex(key), message).hex() == expected

    @pytest.mark.parametrize("length", [0, 1, 15, 17, 24, 32, 80])
    def test_a_master_key_of_another_length_than_16_is_extracted_first(self, length: int) -> None:
        """K := AES-CMAC(0^128, MK, MKlen) -- RFC 5926 3.1.1.2, step 1b"""
        master_key = bytes(range(1, length + 1))
        derive = find_algorithm("aes-128-cmac-96").derive
        assert derive(master_key, CONTEXT) == derive(aes_cmac(bytes(16), master_key), CONTEXT)

    def test_a_master_key_of_16_octets_is_taken_as_it_is(self) -> None:
        """If MKlen is equal to 16 then K := MK -- RFC 5926 3.1.1.2, step 1a"""
        master_key = bytes(range(16))
        expected = aes_cmac(master_key, b"\x01TCP-AO" + CONTEXT + b"\x00\x80")
        assert find_algorithm("aes-128-cmac-96").derive(master_key, CONTEXT) == expected


class TestLinuxCmacAes:
    """`cmac(aes)`: AES-128, -192 or -256 by the master key's length, no extraction, a 128-bit traffic key."""

    @pytest.mark.parametrize("length", [16, 24, 32])
    def test_the_master_key_is_used_as_it_is(self, length: int) -> None:
        master_key = bytes(range(length))
        traffic_key = find_algorithm("cmac(aes)").derive(master_key, CONTEXT)
        assert traffic_key == aes_cmac(master_key, counter_mode_block(CONTEXT, 128))
        assert len(traffic_key) == 16

    @pytest.mark.parametrize("length", [0, 1, 15, 17, 33])
    def test_another_length_is_refused_without_showing_the_key(self, length: int) -> None:
        with pytest.raises(ValueError, match="16, 24 or 32 octets") as refusal:
            find_algorithm("cmac(aes)").derive(b"Q" * length, CONTEXT)
        assert "QQ" not in str(refusal.value)

    def test_the_table_says_which_lengths_it_takes(self) -> None:
        assert [row.name for row in ALGORITHMS if row.master_key_lengths] == ["cmac(aes)"]
        assert find_algorithm("cmac(aes)").master_key_lengths == (16, 24, 32)


class TestHmac:
    @pytest.mark.parametrize(
        "name, hash_name",
        [
            ("hmac-sha-1-96", "sha1"),
            ("hmac(sha1)", "sha1"),
            ("hmac-sha-256-96", "sha256"),
            ("hmac-sha-256-128", "sha256"),
            ("hmac(sha256)", "sha256"),
            *((f"hmac({name})", name) for name in ("md5", "sha224", "sha384", "sha512")),
            *((f"hmac(sha3-{bits})", f"sha3_{bits}") for bits in (224, 256, 384, 512)),
        ],
    )
    @pytest.mark.parametrize("master_key", [b"", b"k", b"key of more than one block" * 8], ids=["empty", "1", "208"])
    def test_the_traffic_key_is_one_block_as_long_as_the_digest(
        self, name: str, hash_name: str, master_key: bytes
    ) -> None:
        algorithm = find_algorithm(name)
        digest_length = hashlib.new(hash_name).digest_size
        block = b"\x01TCP-AO" + CONTEXT + (digest_length * 8).to_bytes(2, "big")
        traffic_key = algorithm.derive(master_key, CONTEXT)
        assert traffic_key == hmac.digest(master_key, block, hash_name)
        assert len(traffic_key) == algorithm.digest_length == digest_length
        assert mac(algorithm, traffic_key, b"segment") == hmac.digest(traffic_key, b"segment", hash_name)


class TestKeyedMac:
    @pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda row: row.name)
    def test_copies_are_independent_and_take_any_buffer(self, algorithm: Algorithm) -> None:
        keyed = algorithm.keyed_mac(algorithm.derive(bytes(16), CONTEXT))
        octets = bytes(range(200))
        first, second = keyed.copy(), keyed.copy()
        first.update(memoryview(octets)[:100])
        first.update(bytearray(octets[100:]))
        branch = first.copy()
        branch.update(b"more")
        second.update(octets)
        third = keyed.copy()
        third.update(octets + b"more")
        whole = second.finalize()
        assert first.finalize() == whole
        assert branch.finalize() == third.finalize() != whole
        assert len(whole) == algorithm.digest_length

    @pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda row: row.name)
    def test_lengths_fit_the_option(self, algorithm: Algorithm) -> None:
        assert 12 <= algorithm.mac_length <= min(algorithm.digest_length, 16)

    def test_a_short_master_key_serves_kmac(self) -> None:
        """The draft hands the master key to KMAC as message, so that its length is free."""
        traffic_key = find_algorithm("kmac256-128").derive(b"k", CONTEXT)
        assert len(traffic_key) == 32

    def test_tcp_md5_hashes_the_password_last(self) -> None:
        expected = hashlib.md5(b"segment" + b"password").digest()
        assert mac(TCP_MD5, TCP_MD5.derive(b"password", CONTEXT), b"segment") == expected


class TestNames:
    @pytest.mark.parametrize(
        "spelling, name",
        [
            pytest.param("hmac sha1", "hmac-sha-1-96", id="BIRD hmac sha1"),
            pytest.param("hmac sha256", "hmac-sha-256-96", id="BIRD hmac sha256"),
            pytest.param("hmac md5", "hmac(md5)", id="BIRD hmac md5"),
            pytest.param("hmac sha224", "hmac(sha224)", id="BIRD hmac sha224"),
            pytest.param("hmac sha384", "hmac(sha384)", id="BIRD hmac sha384"),
            pytest.param("hmac sha512", "hmac(sha512)", id="BIRD hmac sha512"),
            pytest.param("cmac aes128", "aes-128-cmac-96", id="BIRD cmac aes128"),
            pytest.param("hmac_sha_1_96", "hmac-sha-1-96", id="GoBGP hmac_sha_1_96"),
            pytest.param("aes_128_cmac_96", "aes-128-cmac-96", id="GoBGP aes_128_cmac_96"),
            pytest.param("hmac_sha_256_96", "hmac-sha-256-96", id="GoBGP hmac_sha_256_96"),
            pytest.param("hmac_sha_256_128", "hmac-sha-256-128", id="GoBGP hmac_sha_256_128"),
            pytest.param("hmac(sha1)", "hmac-sha-1-96", id="Linux hmac(sha1)"),
            pytest.param("hmac(sha256)", "hmac-sha-256-96", id="Linux hmac(sha256)"),
            pytest.param("cmac(aes128)", "aes-128-cmac-96", id="Linux cmac(aes128)"),
            pytest.param("cmac(aes)", "cmac(aes)", id="Linux cmac(aes)"),
            pytest.param("hmac-sha-256", "hmac-sha-256-96", id="ExaBGP hmac-sha-256"),
            pytest.param("HMAC-SHA1-96", "hmac-sha-1-96", id="IOS-XR HMAC-SHA1-96"),
            pytest.param("AES-128-CMAC-96", "aes-128-cmac-96", id="IOS-XR AES-128-CMAC-96"),
            pytest.param("HMAC-SHA-256", "hmac-sha-256-96", id="IOS-XR HMAC-SHA-256"),
            pytest.param("hmac-sha-1", "hmac-sha-1-96", id="IOS-XE hmac-sha-1"),
            pytest.param("aes-128-cmac", "aes-128-cmac-96", id="IOS-XE aes-128-cmac"),
            pytest.param("hmac-sha-1-96", "hmac-sha-1-96", id="Junos hmac-sha-1-96"),
            pytest.param("aes-128-cmac-96", "aes-128-cmac-96", id="SR OS aes-128-cmac-96"),
            pytest.param("hmac-sha1-96", "hmac-sha-1-96", id="EOS hmac-sha1-96"),
            pytest.param("aes-cmac-prf-128", "aes-128-cmac-96", id="RFC 8177 aes-cmac-prf-128"),
            pytest.param("hmac-sha-1-12", "hmac-sha-1-96", id="RFC 8177 hmac-sha-1-12"),
            pytest.param("HMAC-SHA-1-96", "hmac-sha-1-96", id="RFC 5926 HMAC-SHA-1-96"),
            pytest.param("  Hmac   SHA1 ", "hmac-sha-1-96", id="blanks and case"),
        ],
    )
    def test_a_routers_spelling_is_known(self, spelling: str, name: str) -> None:
        assert find_algorithm(spelling).name == name

    def test_every_name_and_alias_finds_its_own_row(self) -> None:
        for algorithm in ALGORITHMS:
            for spelling in (algorithm.name, *algorithm.aliases):
                assert find_algorithm(spelling) is algorithm
                assert find_algorithm(spelling.upper().replace("-", "_")) is algorithm
                assert spelling == spelling.lower()

    def test_an_unknown_name_lists_the_known_ones(self) -> None:
        with pytest.raises(ValueError) as refusal:
            find_algorithm("rot13")
        assert all(algorithm.name in str(refusal.value) for algorithm in ALGORITHMS)
        assert "did you mean" not in str(refusal.value)

    def test_a_slip_is_answered_with_the_nearest_name(self) -> None:
        with pytest.raises(ValueError, match=r"'hmac-sha1-69'; did you mean hmac-sha-1-96\?"):
            find_algorithm("hmac-sha1-69")

    @given(st.text(max_size=30))
    def test_any_other_text_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match="known: hmac-sha-1-96, "):
            find_algorithm(f"{name}!")


class TestRows:
    def test_rows_that_differ_in_the_default_length_only_compute_alike(self) -> None:
        short, long = find_algorithm("hmac-sha-256-96"), find_algorithm("hmac-sha-256-128")
        assert short.computes_as(long)
        assert (short.mac_length, long.mac_length) == (12, 16)

    def test_no_other_two_rows_compute_alike(self) -> None:
        pairs = {
            (one.name, other.name)
            for one in ALGORITHMS
            for other in ALGORITHMS
            if one.computes_as(other) and one != other
        }
        assert pairs == {("hmac-sha-256-96", "hmac-sha-256-128"), ("hmac-sha-256-128", "hmac-sha-256-96")}

    @pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda row: row.name)
    def test_a_row_travels_to_another_process_as_itself(self, algorithm: Algorithm) -> None:
        assert pickle.loads(pickle.dumps(algorithm)) is algorithm

    def test_only_tcp_md5_is_tcp_md5(self) -> None:
        assert [algorithm for algorithm in ALGORITHMS if algorithm.is_md5] == [TCP_MD5]


class TestSecrets:
    def test_no_repr_shows_a_secret(self) -> None:
        for algorithm in ALGORITHMS:
            secret = b"interop-secret!!"
            mkt = make_mkt(algorithm, secret)
            traffic_key = algorithm.derive(secret, CONTEXT)
            keyed = algorithm.keyed_mac(traffic_key)
            shown = repr(mkt) + repr(algorithm) + repr(keyed) + str(keyed)
            for hidden in (secret, traffic_key):
                assert repr(hidden)[2:-1] not in shown
                assert hidden.hex() not in shown


class TestKmacIsOptional:
    def test_without_pycryptodome_the_error_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "Crypto.Hash", None)
        with pytest.raises(AoinspectError, match=r"pip install aoinspect\[kmac\]"):
            find_algorithm("kmac256-128").derive(b"secret", CONTEXT)

    def test_the_table_loads_neither_pycryptodome_nor_numpy(self) -> None:
        program = "import sys, aoinspect.ao.mac_input, aoinspect.ao.md5; print(*sys.modules)"
        finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        loaded = finished.stdout.split()
        assert "aoinspect.ao.algorithms" in loaded
        assert not {"Crypto", "numpy", "difflib"} & set(loaded)

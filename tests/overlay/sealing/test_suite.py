"""Ciphers and derivation against independent implementations."""

from __future__ import annotations

import hmac

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import BLAKE2s
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.sealing import (
    CIPHERS,
    aad,
    aead,
    class_key,
    expand,
    extract,
    first_common,
    hmac_blake2s,
    next_psk,
    nonce,
    tag_size,
)
from overlay.sealing.aegis import Aegis128L


@given(st.binary(max_size=64), st.binary(max_size=300))
@settings(max_examples=100)
def test_hmac(key: bytes, data: bytes) -> None:
    assert hmac_blake2s(key, data) == hmac.digest(key, data, "blake2s")


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64), st.binary(max_size=40))
@settings(max_examples=50)
def test_hkdf(salt: bytes, ikm: bytes, info: bytes) -> None:
    expected = HKDF(algorithm=BLAKE2s(32), length=32, salt=salt, info=info).derive(ikm)
    assert expand(extract(salt, ikm), info) == expected


def test_table() -> None:
    prk = extract(b"h" * 32, b"1" * 32 + b"2" * 32)
    keys = [class_key(prk, class_, side) for class_ in ("control", "data", "probe") for side in ("i", "r")]
    assert len({*keys, next_psk(prk)}) == 7
    assert keys[0] == expand(prk, b"overlay 1 control i")
    assert next_psk(prk) == expand(prk, b"overlay 1 psk")


def test_nonce_and_associated_data() -> None:
    assert nonce(0x0102) == bytes.fromhex("000000000201000000000000")
    assert aad(7, 3, 0x0102) == bytes.fromhex("07030201000000000000")


@pytest.mark.parametrize("cipher", CIPHERS)
def test_in_place(cipher: str) -> None:
    box = aead(cipher, b"k" * 32)
    sealed = box.encrypt(nonce(1), b"plain", aad(6, 0, 1))
    assert len(sealed) == 5 + tag_size(cipher)
    into = bytearray(len(sealed))
    assert box.encrypt_into(nonce(1), b"plain", aad(6, 0, 1), into) == len(into)
    assert into == sealed
    plain = bytearray(5)
    box.decrypt_into(nonce(1), sealed, aad(6, 0, 1), plain)
    assert plain == b"plain"
    with pytest.raises(InvalidTag):
        box.decrypt(nonce(1), sealed, aad(6, 1, 1))
    with pytest.raises(InvalidTag):
        box.decrypt(nonce(2), sealed, aad(6, 0, 1))


def test_choice() -> None:
    _, aes, chacha = CIPHERS
    assert first_common(CIPHERS, ["chacha20poly1305", "aes256gcm", "later"]) == aes
    assert first_common((chacha,), CIPHERS) == chacha
    assert first_common(CIPHERS, ["later"]) is None


def test_faults_of_ours_are_raised() -> None:
    with pytest.raises(ValueError, match="no cipher"):
        aead("rot13", b"k" * 32)
    with pytest.raises(ValueError, match="no cipher"):
        aead("aes256gcm", b"k" * 16)


def test_aegis_vectors() -> None:
    """draft-irtf-cfrg-aegis-aead, appendix A.2: the first three test vectors of AEGIS-128L, tags of 256 bits."""
    box = Aegis128L(bytes.fromhex("10010000000000000000000000000000"))
    nonce_of_draft = bytes.fromhex("10000200000000000000000000000000")
    box._nonce[:4] = nonce_of_draft[:4]
    sealed = box.encrypt(nonce_of_draft[4:], bytes(16), b"")
    assert sealed.hex() == (
        "c1c0e58bd913006feba00f4b3cc3594e25835bfbb21632176cf03840687cb968cace4617af1bd0f7d064c639a5c79ee4"
    )
    assert box.decrypt(nonce_of_draft[4:], sealed, b"") == bytes(16)
    empty = box.encrypt(nonce_of_draft[4:], b"", b"")
    assert empty.hex() == "1360dc9db8ae42455f6e5b6a9d488ea4f2184c4e12120249335c4ee84bafe25d"


def test_aegis_does_not_open_what_was_changed() -> None:
    box = Aegis128L(bytes(16))
    sealed = bytearray(box.encrypt(bytes(12), b"some text", b"header"))
    for at in range(len(sealed)):
        sealed[at] ^= 1
        with pytest.raises(InvalidTag):
            box.decrypt(bytes(12), sealed, b"header")
        sealed[at] ^= 1
    with pytest.raises(InvalidTag):
        box.decrypt(bytes(12), sealed[:31], b"header")
    with pytest.raises(ValueError, match="17 bytes"):
        Aegis128L(bytes(17))

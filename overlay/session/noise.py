"""Noise, 25519_ChaChaPoly_BLAKE2s: an interpreter of its patterns (Noise Protocol Framework, revision 34).

    XXpsk0   -> psk, e                    KKpsk0   -> s    (known before)
             <- e, ee, s, es                       <- s    (known before)
             -> s, se                              -> psk, e, es, ss
                                                   <- e, ee, se

A pattern is data, a row of tokens a message; section 5.3's HandshakeState walks it. Every message is tried on the
state and undone if it does not open: a forged one changes nothing.
"""

from __future__ import annotations

import re
from hashlib import blake2s

from cryptography.exceptions import InvalidTag
from msgspec import Struct
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base
from nacl.exceptions import CryptoError

from overlay.sealing import TAG_SIZE, Aead, aead, hmac_blake2s, nonce

KEY_SIZE = 32


class NoiseError(Exception):
    """A message is not what its pattern says, or was made with other keys."""


class Base(Struct, frozen=True):
    """A fundamental pattern (section 7.5)."""

    statics_known: bool
    """Both static keys are pre-messages: KK."""
    messages: tuple[tuple[str, ...], ...]


class Pattern(Struct, frozen=True):
    """A pattern with its PSK modifiers."""

    name: str
    statics_known: bool
    messages: tuple[tuple[str, ...], ...]
    start: bytes
    """h and ck before the prologue (section 5.2)."""


def pattern(name: str, base: Base) -> Pattern:
    """`base` as changed by the modifiers in `name`: `XXpsk0+psk3` (section 9)."""
    rows = [list(row) for row in base.messages]
    for place in map(int, re.findall(r"psk(\d)", name)):
        if place == 0:
            rows[0].insert(0, "psk")
        else:
            rows[place - 1].append("psk")
    protocol = f"Noise_{name}_25519_ChaChaPoly_BLAKE2s".encode()
    start = protocol.ljust(32, b"\0") if len(protocol) <= 32 else blake2s(protocol).digest()
    return Pattern(name, base.statics_known, tuple(map(tuple, rows)), start)


XX = Base(False, (("e",), ("e", "ee", "s", "es"), ("s", "se")))
KK = Base(True, (("e", "es", "ss"), ("e", "ee", "se")))

XXPSK0 = pattern("XXpsk0", XX)
KKPSK0 = pattern("KKpsk0", KK)


class KeyPair(Struct, frozen=True):
    """An X25519 pair, 32 bytes each."""

    private: bytes
    public: bytes


class Handshake:
    """One side of one run. `write` and `read` in turn, the initiator writing first; then `split`."""

    def __init__(
        self,
        pattern: Pattern,
        *,
        initiator: bool,
        prologue: bytes,
        ephemeral: bytes,
        static: KeyPair,
        psks: tuple[bytes, ...],
        remote_static: bytes | None = None,
    ) -> None:
        """`ephemeral` is a private key for this run only; `psks` in the pattern's order."""
        self.initiator = initiator
        self.hash = pattern.start
        self.remote_static = remote_static
        self._chain = pattern.start
        self._rows = pattern.messages
        self._psks = psks
        self._place = 0
        self._psk_place = 0
        self._key: Aead | None = None
        self._counter = 0
        self._ephemeral = ephemeral
        self._static = static
        self._remote_ephemeral: bytes | None = None
        self._psk_pattern = bool(psks)
        self._mix_hash(prologue)
        if pattern.statics_known:
            if remote_static is None:
                raise ValueError(f"{pattern.name} needs the other's static key")
            ours, theirs = static.public, remote_static
            self._mix_hash(ours if initiator else theirs)
            self._mix_hash(theirs if initiator else ours)

    @property
    def finished(self) -> bool:
        """No message is left."""
        return self._place == len(self._rows)

    def write(self, payload: bytes = b"") -> bytes:
        """The next message, ours."""
        parts = []
        for token in self._row(ours=True):
            if token == "e":
                public = crypto_scalarmult_base(self._ephemeral)
                parts.append(public)
                self._mix_ephemeral(public)
            elif token == "s":
                parts.append(self._seal(self._static.public))
            else:
                self._mix_token(token)
        parts.append(self._seal(payload))
        self._place += 1
        return b"".join(parts)

    def read(self, message: bytes) -> bytes:
        """The payload of the next message, theirs.

        Raises:
            NoiseError: it does not open; the state is as before, and the true message may still come.
        """
        before = (
            self.hash,
            self.remote_static,
            self._chain,
            self._psk_place,
            self._key,
            self._counter,
            self._remote_ephemeral,
        )
        try:
            payload = self._read(message)
        except NoiseError:
            (
                self.hash,
                self.remote_static,
                self._chain,
                self._psk_place,
                self._key,
                self._counter,
                self._remote_ephemeral,
            ) = before
            raise
        self._place += 1
        return payload

    def split(self) -> tuple[bytes, bytes]:
        """k1, for frames of the initiator, and k2."""
        if not self.finished:
            raise ValueError("the handshake is not finished")
        first, second, _ = _hkdf(self._chain, b"", 2)
        return first, second

    def _row(self, *, ours: bool) -> tuple[str, ...]:
        if self.finished or (self._place % 2 == 0) == (self.initiator != ours):
            raise ValueError("not the turn of this side")
        return self._rows[self._place]

    def _read(self, message: bytes) -> bytes:
        at = 0
        for token in self._row(ours=False):
            if token == "e":
                self._remote_ephemeral = _piece(message, at, KEY_SIZE)
                self._mix_ephemeral(self._remote_ephemeral)
                at += KEY_SIZE
            elif token == "s":
                size = KEY_SIZE + (TAG_SIZE if self._key else 0)
                self.remote_static = self._open(_piece(message, at, size))
                at += size
            else:
                self._mix_token(token)
        return self._open(message[at:])

    def _mix_token(self, token: str) -> None:
        if token == "psk":
            psk = self._psks[self._psk_place]
            self._psk_place += 1
            self._chain, hashed, key = _hkdf(self._chain, psk, 3)
            self._mix_hash(hashed)
            self._set_key(key)
            return
        mine, theirs = (token[0], token[1]) if self.initiator else (token[1], token[0])
        private = self._ephemeral if mine == "e" else self._static.private
        public = self._remote_ephemeral if theirs == "e" else self.remote_static
        self._mix_key(_dh(private, public))

    def _mix_ephemeral(self, public: bytes) -> None:
        self._mix_hash(public)
        if self._psk_pattern:
            self._mix_key(public)

    def _mix_hash(self, data: bytes) -> None:
        self.hash = blake2s(self.hash + data).digest()

    def _mix_key(self, material: bytes) -> None:
        self._chain, key, _ = _hkdf(self._chain, material, 2)
        self._set_key(key)

    def _set_key(self, key: bytes) -> None:
        self._key = aead("chacha20poly1305", key)
        self._counter = 0

    def _seal(self, plain: bytes) -> bytes:
        sealed = plain
        if self._key is not None:
            sealed = self._key.encrypt(nonce(self._counter), plain, self.hash)
            self._counter += 1
        self._mix_hash(sealed)
        return sealed

    def _open(self, sealed: bytes) -> bytes:
        plain = sealed
        if self._key is not None:
            try:
                plain = self._key.decrypt(nonce(self._counter), sealed, self.hash)
            except InvalidTag:
                raise NoiseError("does not open") from None
            self._counter += 1
        self._mix_hash(sealed)
        return plain


def _piece(message: bytes, at: int, size: int) -> bytes:
    piece = message[at : at + size]
    if len(piece) != size:
        raise NoiseError("too short")
    return piece


def _dh(private: bytes, public: bytes | None) -> bytes:
    if public is None:
        raise ValueError("the pattern uses a key before it is known")
    try:
        shared: bytes = crypto_scalarmult(private, public)
    except CryptoError:
        raise NoiseError("a point of low order") from None
    return shared


def _hkdf(chain: bytes, material: bytes, outputs: int) -> tuple[bytes, bytes, bytes]:
    """HKDF of section 4.3 with 2 or 3 outputs; the third is empty if not asked for."""
    temp = hmac_blake2s(chain, material)
    first = hmac_blake2s(temp, b"\x01")
    second = hmac_blake2s(temp, first + b"\x02")
    return first, second, hmac_blake2s(temp, second + b"\x03") if outputs == 3 else b""

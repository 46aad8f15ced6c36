"""The file that `overlay join --debug-keys FILE` wrote -> what is sealed in frames.

    line      control 0 aes256gcm 9f..c1 from 5a1c.. to 77e0..
    frame     type, epoch, counter + sealed envelope    -->  every key of that type and epoch is tried; the tag tells

A key found is tried first for the next envelope under the same label.
"""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from overlay.sealing import Aead, InvalidTag, aad, aead, nonce, tag_size
from overlay.wire.frame import CONTROL, DATA

_KINDS = {"control": CONTROL, "data": DATA}
_LINE = re.compile(r"(control|data) (\d{1,3}) (\w+) ([0-9a-f]{64}) from ([0-9a-f]{64}) to ([0-9a-f]{64})")
_SHOWN = 8
"""Characters of an id."""


class BadKeys(Exception):
    """The file is none that `--debug-keys` wrote."""


class Key(Struct, frozen=True):
    """One key of one direction."""

    cipher: str
    aead: Aead
    sender: str
    """Start of the id that seals with it."""
    receiver: str

    def open(self, kind: int, epoch: int, counter: int, sealed: bytes) -> bytes | None:
        """The plaintext, if it was sealed with this key."""
        if len(sealed) < tag_size(self.cipher):
            return None
        try:
            return self.aead.decrypt(nonce(counter), sealed, aad(kind, epoch, counter))
        except InvalidTag:
            return None


class Opened(Struct, frozen=True):
    """An envelope that opened."""

    key: Key
    plain: bytes


class KeyRing:
    """All keys of a file."""

    def __init__(self) -> None:
        self._keys: dict[tuple[int, int], list[Key]] = {}
        self._last: dict[tuple[int, int, int], Key] = {}

    @classmethod
    def read(cls, path: Path) -> KeyRing:
        """The keys of a file; a torn last line is passed over.

        Raises:
            BadKeys: another line is none of ours, or names a cipher that is not here.
            OSError: it cannot be read.
        """
        ring = cls()
        text = path.read_bytes().decode("ascii", "replace")
        for number, line in enumerate(text.splitlines(), 1):
            if not ring._add(line) and (text.endswith("\n") or not line or line != text.splitlines()[-1]):
                raise BadKeys(f"{path}:{number}: this is no line of --debug-keys, or of another build")
        return ring

    def has(self, kind: int, epoch: int) -> bool:
        """Whether there is a key that may fit."""
        return (kind, epoch) in self._keys

    def open(self, kind: int, label: int, epoch: int, counter: int, sealed: bytes) -> Opened | None:
        """Open an envelope with the key that fits; None if none does."""
        place = (kind, label, epoch)
        last = self._last.get(place)
        for key in [*([last] if last else []), *self._keys.get((kind, epoch), ())]:
            plain = key.open(kind, epoch, counter, sealed)
            if plain is not None:
                self._last[place] = key
                return Opened(key, plain)
        return None

    def _add(self, line: str) -> bool:
        found = _LINE.fullmatch(line)
        if found is None:
            return False
        kind, epoch, cipher, key, sender, receiver = found.groups()
        try:
            made = aead(cipher, bytes.fromhex(key))
        except ValueError:
            return False
        whole = Key(cipher, made, sender[:_SHOWN], receiver[:_SHOWN])
        self._keys.setdefault((_KINDS[kind], int(epoch)), []).append(whole)
        return True

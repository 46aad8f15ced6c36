"""What a network's name and secret become: the keys of everything before the first handshake is done."""

from __future__ import annotations

from functools import cached_property

from msgspec import Struct

from overlay.identity.generator import cpace_generator
from overlay.identity.names import digest, name_bytes


class NetworkKeys(Struct, frozen=True, dict=True):
    """A network, as its members hold it in memory; each derived value is computed once, when first asked for."""

    name: str
    """The network's name, as given."""
    stretched: bytes
    """32 bytes: the stretched secret, CPace's PRS."""

    def __repr__(self) -> str:
        """Without the secret: values end up in logs."""
        return f"NetworkKeys({self.name!r})"

    @cached_property
    def name_bytes(self) -> bytes:
        """The name as hashed."""
        return name_bytes(self.name)

    @cached_property
    def mac_key(self) -> bytes:
        """32 bytes: whoever knows the name can compute mac1, nobody else learns which network a frame is of."""
        return digest("mac", self.name_bytes)

    @cached_property
    def rest_key(self) -> bytes:
        """32 bytes that hide what lies on disk from who does not know the secret; never sent."""
        return digest("rest", self.name_bytes, b"\0", self.stretched)

    @cached_property
    def channel(self) -> bytes:
        """CPace's CI."""
        return b"overlay/1" + self.name_bytes

    @cached_property
    def generator(self) -> bytes:
        """CPace's generator, 32 bytes."""
        return cpace_generator(self.stretched, self.channel, b"")


def network_keys(name: str, stretched: bytes) -> NetworkKeys:
    """The keys of the network `name` whose secret became `stretched` (see `names.stretch`).

    Raises:
        ValueError: `stretched` is not 32 bytes.
    """
    if len(stretched) != 32:
        raise ValueError(f"a stretched secret has 32 bytes, not {len(stretched)}")
    return NetworkKeys(name, stretched)

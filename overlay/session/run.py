"""A run: what one completed handshake or rekey left behind, and the keys it gives (protocol section 4)."""

from __future__ import annotations

from msgspec import Struct

from overlay.sealing import Aead, ReplayWindow, aead, class_key, extract, next_psk, resume_id, resume_secret
from overlay.session.commands import Command
from overlay.session.noise import Handshake
from overlay.session.tickets import Ticket
from overlay.session.timing import KEY_LIFE, REKEY_AFTER, REKEY_AFTER_OTHER
from overlay.values import Label, Link, NodeId


class Terms(Struct, frozen=True, kw_only=True):
    """What holds from the handshake on, through all rekeys after it."""

    peer: NodeId
    remote_static: bytes
    """The peer's Noise static key."""
    link: Link
    label: Label
    """Ours: the peer writes it."""
    peer_label: Label
    cipher: str
    offloads: int
    minor: int


class Epochs(Struct, frozen=True):
    """Under which numbers a run's keys go."""

    open: int
    """We chose it."""
    seal: int
    """The peer chose it."""


class Run:
    """One set of keys. The control keys are used here; data and probe keys are given away once and then forgotten."""

    __slots__ = (
        "began_at",
        "confirmation",
        "control_keys",
        "counter",
        "dies_at",
        "epochs",
        "hash",
        "idle_at_rekey",
        "initiator",
        "open_aead",
        "open_data",
        "opened_at",
        "probe_keys",
        "proven",
        "psk",
        "rekey_at",
        "repeats",
        "replay",
        "seal_aead",
        "seal_data",
        "sendable",
        "sent",
        "terms",
        "ticket",
        "used",
    )

    def __init__(self, terms: Terms, epochs: Epochs, noise: Handshake, *, began_at: float, now: float) -> None:
        """Derive everything from a finished handshake."""
        first, second = noise.split()
        prk = extract(noise.hash, first + second)
        self.terms = terms
        self.epochs = epochs
        self.hash = noise.hash
        self.initiator = noise.initiator
        """We were Noise initiator."""
        self.psk = next_psk(prk)
        self.ticket: Ticket | None = Ticket(terms.peer, resume_id(prk), resume_secret(prk))
        """Until both sides are known to hold it."""
        control = class_key(prk, "control", "i"), class_key(prk, "control", "r")
        data = class_key(prk, "data", "i"), class_key(prk, "data", "r")
        ours, theirs = (0, 1) if noise.initiator else (1, 0)
        self.seal_aead: Aead = aead(terms.cipher, control[ours])
        self.open_aead: Aead = aead(terms.cipher, control[theirs])
        self.control_keys: tuple[bytes, bytes] | None = (control[ours], control[theirs])
        """To seal with and to open with, until they are told or not (`KeysMade`)."""
        self.seal_data: bytes | None = data[ours]
        self.open_data: bytes | None = data[theirs]
        """Both until they are given away."""
        probe = class_key(prk, "probe", "i"), class_key(prk, "probe", "r")
        self.probe_keys: tuple[bytes, bytes] | None = (probe[ours], probe[theirs])
        """To seal with and to open with, until they are given away."""
        self.counter = 0
        """The next one to seal under."""
        self.replay = ReplayWindow()
        self.began_at = began_at
        """When its first message was sent or came."""
        self.opened_at = now
        self.dies_at = now + KEY_LIFE
        self.rekey_at = now + (REKEY_AFTER if noise.initiator else REKEY_AFTER_OTHER)
        self.sendable = False
        """The peer is known to hold the keys."""
        self.proven = False
        """A frame opened under them."""
        self.used = False
        """Frames went or came beyond those that only prove the keys."""
        self.idle_at_rekey = False
        """It was due to be replaced and nobody had used it: the next use begins that."""
        self.confirmation: Command | None = None
        self.repeats = True
        """The confirmation is repeated: the way back is known to lead to the peer."""
        self.sent = 0
        """Times the confirmation was sent."""

    @property
    def probe_epoch(self) -> int:
        """Under which number both sides know its probe keys: the one that the Noise initiator chose."""
        return self.epochs.open if self.initiator else self.epochs.seal

    def outranks(self, newer: Run) -> bool:
        """Whether to send on this rather than on `newer`, which opened later.

        Runs that overlapped are rivals of which both sides choose the larger hash; else the newer is better.
        """
        return newer.began_at <= self.opened_at and self.hash > newer.hash

"""The keys of all peers: a run opens, proves itself, is used, and retires (protocol section 4).

                  +-- a frame opens under it --> proven --> all worse runs retire 10 s later
    opened ------+
                  +-- the peer has its keys ---> sendable --> the best sendable run seals (KeysLive)

The dialler's run and that of a rekey's initiator are sendable at once; the other side's when proven.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from msgspec import Struct

from overlay.sealing import aad, nonce, tag_size
from overlay.session.commands import Command
from overlay.session.completed import Completed
from overlay.session.desk import Desk
from overlay.session.drops import Reason
from overlay.session.events import (
    KeysLive,
    KeysMade,
    KeysRetired,
    LabelRetired,
    OpenKeyReady,
    ProbeKeysLive,
    SessionLost,
    SessionOpened,
)
from overlay.session.noise import Handshake
from overlay.session.peer import Peer
from overlay.session.run import Epochs, Run
from overlay.session.timing import OVERLAP, REKEY_FRAMES, REPEATS, Timer, wait_after
from overlay.values import Label, NodeId
from overlay.wire.codec import Malformed, decode_message, encode_message
from overlay.wire.frame import CONTROL
from overlay.wire.messages import Message

MAX_BODY = 16_384
"""Bytes of a sealed control frame at most."""
MAX_RUNS = 4
"""Runs of a peer at most; a member that opens more loses its worst."""


class Sealed(Struct, frozen=True):
    """A sealed control frame, to be cut and sent under the label of a way."""

    epoch: int
    counter: int
    body: bytes
    """Ciphertext and tag."""


class Book:
    """Owner of all control keys and counters."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # --- opening ---

    def open_session(self, done: Completed, *, now: float) -> Run:
        """A handshake completed."""
        desk, terms = self._desk, done.terms
        first = terms.peer not in desk.peers
        peer = desk.peers.setdefault(terms.peer, Peer(terms.peer))
        desk.news.append(
            SessionOpened(
                peer=terms.peer,
                link=terms.link,
                label=terms.label,
                peer_label=terms.peer_label,
                dialled=done.confirmation is None,
                record=done.record,
                seen=done.seen,
                minor=terms.minor,
                offloads=terms.offloads,
                first=first,
            )
        )
        run = Run(terms, done.epochs, done.noise, began_at=done.began_at, now=now)
        run.repeats = done.repeats
        self._install(peer, run, done.confirmation, now=now)
        return run

    def open_rekeyed(
        self, peer: Peer, base: Run, noise: Handshake, confirmation: Command | None, *, began_at: float, now: float
    ) -> Run:
        """A rekey of `base` completed on our side."""
        epochs = Epochs(base.epochs.open + 1 & 0xFF, base.epochs.seal + 1 & 0xFF)
        run = Run(base.terms, epochs, noise, began_at=began_at, now=now)
        self._install(peer, run, confirmation, now=now)
        return run

    def _install(self, peer: Peer, run: Run, confirmation: Command | None, *, now: float) -> None:
        desk, epoch = self._desk, run.epochs.open
        place = peer.insert(run)
        self._tell_keys(run)
        if run.open_data is not None:
            desk.news.append(OpenKeyReady(peer=peer.node, cipher=run.terms.cipher, epoch=epoch, key=run.open_data))
            run.open_data = None
        desk.timers.set((Timer.RETIRE, peer.node, epoch), run.dies_at)
        desk.timers.set((Timer.REKEY, peer.node, epoch), run.rekey_at)
        if confirmation is None:
            run.sendable = True
            self._choose(peer)
            self._keep_ticket(run)
            desk.prove(peer.node)
        else:
            run.confirmation, run.sent = confirmation, 1
            desk.timers.set((Timer.CONFIRM, peer.node, epoch), now + wait_after(1))
        if any(better.proven for better in peer.runs[:place]):
            self._retire_soon(peer, run, now=now)
        while len(peer.runs) > MAX_RUNS:
            self._remove(peer, next(each for each in reversed(peer.runs) if each is not peer.sending))

    def _tell_keys(self, run: Run) -> None:
        """To a person who debugs, if one does; the control keys are nobody's business from then on."""
        control, run.control_keys = run.control_keys, None
        if not self._desk.tells_keys or control is None or run.seal_data is None or run.open_data is None:
            return
        self._desk.news.append(
            KeysMade(
                peer=run.terms.peer,
                cipher=run.terms.cipher,
                seal_epoch=run.epochs.seal,
                seal_control=control[0],
                seal_data=run.seal_data,
                open_epoch=run.epochs.open,
                open_control=control[1],
                open_data=run.open_data,
            )
        )

    def confirm(self, node: NodeId, epoch: int, *, now: float) -> None:
        """Nothing opened under new keys yet: repeat what gave them to the other, or drop them."""
        peer, run = self.find(node, epoch)
        if peer is None or run is None or run.confirmation is None:
            return
        if run.sent > REPEATS:
            self._remove(peer, run)
            return
        if run.repeats:
            self._desk.out.append(run.confirmation)
        run.sent += 1
        self._desk.timers.set((Timer.CONFIRM, node, epoch), now + wait_after(run.sent))

    def find(self, node: NodeId, epoch: int) -> tuple[Peer | None, Run | None]:
        """The peer and its run under `epoch`."""
        peer = self._desk.peers.get(node)
        return peer, peer.run_for(epoch) if peer is not None else None

    # --- sealing and opening frames ---

    def seal(self, node: NodeId, message: Message, *, pad: int, now: float) -> Sealed | None:
        """Seal a message under the best keys; None, counted, if there are none or it is too large."""
        peer = self._desk.peers.get(node)
        run = peer.sending if peer is not None else None
        if peer is None or run is None or now >= run.dies_at:
            self._desk.drop("unsealed")
            return None
        return self._seal(peer, run, message, pad=pad, now=now)

    def seal_under(self, node: NodeId, label: Label, message: Message, *, now: float) -> Sealed | None:
        """Seal under the best keys of the handshake in which we gave out `label`; None if there are none."""
        peer = self._desk.peers.get(node)
        run = peer.best_of(label) if peer is not None else None
        if peer is None or run is None or now >= run.dies_at:
            return None
        return self._seal(peer, run, message, pad=0, now=now)

    def _seal(self, peer: Peer, run: Run, message: Message, *, pad: int, now: float) -> Sealed | None:
        tag = tag_size(run.terms.cipher)
        plain = encode_message(message, size=pad - tag)
        if len(plain) > MAX_BODY - tag:
            self._desk.drop("oversized")
            return None
        counter, epoch = run.counter, run.epochs.seal
        run.counter = counter + 1
        if counter:
            self._used(peer, run, now=now)
        return Sealed(epoch, counter, run.seal_aead.encrypt(nonce(counter), plain, aad(CONTROL, epoch, counter)))

    def open(self, node: NodeId, epoch: int, counter: int, body: bytes, *, now: float) -> Message | None:
        """Open a frame of `node`; None, counted, if it does not open, came before or holds no message."""
        desk = self._desk
        peer, run = self.find(node, epoch)
        if peer is None or run is None or now >= run.dies_at or run.replay.seen(counter):
            desk.drop(_why(peer, run, now=now))
            return None
        try:
            plain = run.open_aead.decrypt(nonce(counter), body, aad(CONTROL, epoch, counter))
        except InvalidTag:
            desk.drop("tag")
            return None
        run.replay.mark(counter)
        if run.proven:
            self._used(peer, run, now=now)
        else:
            self._prove(peer, run, now=now)
        try:
            return decode_message(plain)
        except Malformed:
            desk.drop("malformed")
            return None

    def _used(self, peer: Peer, run: Run, *, now: float) -> None:
        """A frame beyond the one that proves the keys: from now on they are worth replacing."""
        run.used = True
        if run.idle_at_rekey or run.counter == REKEY_FRAMES:
            run.idle_at_rekey = False
            self._desk.timers.set((Timer.REKEY, peer.node, run.epochs.open), now)

    def _prove(self, peer: Peer, run: Run, *, now: float) -> None:
        run.proven = run.sendable = True
        run.confirmation = None
        self._desk.timers.clear((Timer.CONFIRM, peer.node, run.epochs.open))
        for worse in peer.runs[peer.runs.index(run) + 1 :]:
            self._retire_soon(peer, worse, now=now)
        self._choose(peer)
        self._keep_ticket(run)

    def _keep_ticket(self, run: Run) -> None:
        """Both sides hold the run's keys, hence its ticket."""
        ticket, run.ticket = run.ticket, None
        if ticket is not None:
            self._desk.keep_ticket(ticket)

    def _choose(self, peer: Peer) -> None:
        """Send on the best run; its keys are given away once, as the counters of their new owner begin at 0."""
        best = peer.best()
        if best is None or best is peer.sending:
            return
        peer.sending = best
        if best.seal_data is not None:
            self._desk.news.append(
                KeysLive(peer=peer.node, cipher=best.terms.cipher, epoch=best.epochs.seal, key=best.seal_data)
            )
            best.seal_data = None
        if best.probe_keys is not None:
            seal, open_ = best.probe_keys
            self._desk.news.append(ProbeKeysLive(peer=peer.node, epoch=best.probe_epoch, seal_key=seal, open_key=open_))
            best.probe_keys = None

    # --- retiring ---

    def retire(self, node: NodeId, epoch: int) -> None:
        """A run's time is over."""
        peer, run = self.find(node, epoch)
        if peer is not None and run is not None:
            self._remove(peer, run)

    def forget(self, node: NodeId) -> None:
        """Remove every run of a peer."""
        peer = self._desk.peers.get(node)
        while peer is not None and peer.runs:
            self._remove(peer, peer.runs[-1])

    def forget_all(self) -> None:
        """Remove every run of every peer."""
        for node in list(self._desk.peers):
            self.forget(node)

    def _retire_soon(self, peer: Peer, run: Run, *, now: float) -> None:
        run.dies_at = min(run.dies_at, now + OVERLAP)
        run.confirmation = None
        self._desk.timers.set((Timer.RETIRE, peer.node, run.epochs.open), run.dies_at)

    def _remove(self, peer: Peer, run: Run) -> None:
        """Forget a run, and with the one we send on all worse ones: a data key given away is never given again."""
        doomed = peer.runs[peer.runs.index(run) :] if peer.sending is run else [run]
        for each in doomed:
            self._remove_one(peer, each)
        self._choose(peer)
        if not peer.runs and self._desk.peers.pop(peer.node, None) is not None:
            self._desk.news.append(SessionLost(peer.node))

    def _remove_one(self, peer: Peer, run: Run) -> None:
        desk, epoch = self._desk, run.epochs.open
        peer.remove(run)
        for timer in (Timer.RETIRE, Timer.REKEY, Timer.CONFIRM, Timer.REKEY_REPEAT):
            desk.timers.clear((timer, peer.node, epoch))
        desk.news.append(KeysRetired(peer.node, epoch))
        if not peer.knows(run.terms.label):
            desk.news.append(LabelRetired(peer.node, run.terms.label))


def _why(peer: Peer | None, run: Run | None, *, now: float) -> Reason:
    """Why a frame is not even tried."""
    if peer is None:
        return "no_session"
    if run is None:
        return "no_epoch"
    return "expired" if now >= run.dies_at else "replayed"

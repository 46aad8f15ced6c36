"""Rekey: Noise KKpsk0 with the statics of the handshake and the PSK of the run before (protocol section 4).

    we                                             the peer
    Rekey(noise: psk, e, es, ss)         ->        installs its receive key, then answers
    installs, sends under the new key    <-        Rekeyed(noise: e, ee, se), repeated until
    any frame under the new key          ->        one opens: now it sends under the new key too

Both travel sealed under the keys that are replaced. If both sides begin at once, the Noise initiator of the old run
goes on and the other gives way.
"""

from __future__ import annotations

from overlay.session.book import Book
from overlay.session.commands import SendControl
from overlay.session.desk import Desk
from overlay.session.noise import KKPSK0, Handshake, NoiseError
from overlay.session.peer import Peer, Pending
from overlay.session.run import Run
from overlay.session.timing import REKEY_RETRY, Timer, wait_after
from overlay.values import NodeId
from overlay.wire.messages import Rekey, Rekeyed


class Rekeyer:
    """Both sides of every rekey."""

    def __init__(self, desk: Desk, book: Book) -> None:
        self._desk = desk
        self._book = book

    # --- ours ---

    def due(self, node: NodeId, epoch: int, *, now: float) -> None:
        """Keys are old enough to be replaced; if nobody used them, when somebody does."""
        peer, run = self._book.find(node, epoch)
        if peer is None or run is None or run is not peer.sending or peer.rekey is not None:
            return
        if not run.used:
            run.idle_at_rekey = True
        elif self._is_free(peer, run):
            self._begin(peer, run, now=now)
        else:
            self._desk.timers.set((Timer.REKEY, node, epoch), now + REKEY_RETRY)

    def spent(self, node: NodeId, *, now: float) -> None:
        """The data key of `node` was used often enough."""
        peer = self._desk.peers.get(node)
        if peer is not None and peer.sending is not None:
            peer.sending.used = True
            self.due(node, peer.sending.epochs.open, now=now)

    def _is_free(self, peer: Peer, run: Run) -> bool:
        """Whether the epoch after that of `run` is neither taken nor promised to somebody."""
        epoch = run.epochs.open + 1 & 0xFF
        return not peer.holds(epoch) and not self._desk.is_promised(peer.node, epoch)

    def _begin(self, peer: Peer, run: Run, *, now: float) -> None:
        noise = self._noise(run, initiator=True)
        peer.rekey = Pending(run, noise, noise.write(), now=now)
        self._desk.out.append(SendControl(peer.node, Rekey(peer.rekey.message)))
        self._desk.timers.set((Timer.REKEY_REPEAT, peer.node, run.epochs.open), now + wait_after(1))

    def repeat(self, node: NodeId, epoch: int, *, now: float) -> None:
        """No Rekeyed yet: ask again, as long as the keys live."""
        peer, run = self._book.find(node, epoch)
        if peer is None or peer.rekey is None or peer.rekey.base is not run:
            return
        self._desk.out.append(SendControl(node, Rekey(peer.rekey.message)))
        peer.rekey.sent += 1
        wait = min(wait_after(peer.rekey.sent), REKEY_RETRY)
        self._desk.timers.set((Timer.REKEY_REPEAT, node, epoch), now + wait)

    def hear_rekeyed(self, node: NodeId, message: bytes, *, now: float) -> None:
        """The peer has installed its receive key: send under it at once."""
        peer = self._desk.peers.get(node)
        if peer is None:
            self._desk.drop("no_session")
        elif peer.rekeyed is not None and peer.rekeyed[0] == message:
            self._desk.prove(node)
        elif peer.rekey is None or not _reads(peer.rekey.noise, message):
            self._desk.drop("rekey")
        else:
            pending, peer.rekey = peer.rekey, None
            self._desk.timers.clear((Timer.REKEY_REPEAT, node, pending.base.epochs.open))
            run = self._book.open_rekeyed(peer, pending.base, pending.noise, None, began_at=pending.began_at, now=now)
            peer.rekeyed = message, run

    # --- theirs ---

    def hear_rekey(self, node: NodeId, message: bytes, *, now: float) -> None:
        """The peer begins."""
        peer = self._desk.peers.get(node)
        if peer is None:
            self._desk.drop("no_session")
        elif peer.rekeyed is not None and peer.rekeyed[0] == message:
            if peer.rekeyed[1].confirmation is not None:
                self._desk.out.append(peer.rekeyed[1].confirmation)
        else:
            self._answer(peer, message, now=now)

    def _answer(self, peer: Peer, message: bytes, *, now: float) -> None:
        for base in peer.runs:
            noise = self._noise(base, initiator=False)
            if _reads(noise, message):
                break
        else:
            self._desk.drop("rekey")
            return
        if peer.rekey is not None and peer.rekey.base is base:
            if base.initiator:
                self._desk.drop("rekey_crossed")
                return
            self._give_way(peer, base)
        if not self._is_free(peer, base):
            self._desk.drop("rekey")
            return
        answer = SendControl(peer.node, Rekeyed(noise.write()))
        run = self._book.open_rekeyed(peer, base, noise, answer, began_at=now, now=now)
        self._desk.out.append(answer)
        peer.rekeyed = message, run

    def _give_way(self, peer: Peer, base: Run) -> None:
        peer.rekey = None
        self._desk.timers.clear((Timer.REKEY_REPEAT, peer.node, base.epochs.open))

    def _noise(self, run: Run, *, initiator: bool) -> Handshake:
        return Handshake(
            KKPSK0,
            initiator=initiator,
            prologue=b"",
            ephemeral=self._desk.keygen(32),
            static=self._desk.static,
            psks=(run.psk,),
            remote_static=run.terms.remote_static,
        )


def _reads(noise: Handshake, message: bytes) -> bool:
    try:
        noise.read(message)
    except NoiseError:
        return False
    return True

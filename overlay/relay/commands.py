"""What `relay` asks for."""

from __future__ import annotations

from msgspec import Struct

from overlay.values import Label, NodeId
from overlay.wire.messages import Carried, CircuitGone, CircuitOpened, CircuitRefused, OpenCircuit


class SendRelay(Struct, frozen=True):
    """Seal `message` for the neighbour `peer`, by its direct way."""

    peer: NodeId
    message: OpenCircuit | CircuitOpened | CircuitRefused | CircuitGone | Carried


class Forward(Struct, frozen=True):
    """Carry one direction: frames of neighbour `source` with `label` go to neighbour `target` with `out_label`."""

    label: Label
    source: NodeId
    target: NodeId
    out_label: Label


class StopForward(Struct, frozen=True):
    """Stop carrying frames with `label`."""

    label: Label


Command = SendRelay | Forward | StopForward

"""CPace: the package, our generator and our shares against the draft's vectors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cpace import CPaceRole

from overlay.identity.generator import cpace_generator
from overlay.session.pake import agree, psk_of, share

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "cpace.json").read_text())
ORDINARY = ("Invalid Y6", "Invalid Y8", "Invalid Y9", "Invalid Y10", "Invalid Y11")
"""Of low order only where bit 255 counts; RFC 7748 masks it, and X25519 then gives an ordinary point."""

RUN = {name: bytes.fromhex(value) for name, value in VECTORS["G_25519"].items()}


def test_the_draft_run() -> None:
    generator = cpace_generator(RUN["PRS"], RUN["CI"], RUN["sid"])
    assert generator == RUN["g"]
    assert share(generator, RUN["ya"]) == RUN["Ya"]
    assert share(generator, RUN["yb"]) == RUN["Yb"]
    a, b = (RUN["Ya"], RUN["ADa"]), (RUN["Yb"], RUN["ADb"])
    for role, scalar, own, other in (
        (CPaceRole.INITIATOR, RUN["ya"], a, b),
        (CPaceRole.RESPONDER, RUN["yb"], b, a),
    ):
        assert agree(role, scalar=scalar, own=own, other=other, sid=RUN["sid"]) == RUN["ISK_IR"]


@pytest.mark.parametrize("name", VECTORS["X25519_points"])
def test_points_of_low_order_are_refused(name: str) -> None:
    point = bytes.fromhex(VECTORS["X25519_points"][name])
    agreed = agree(CPaceRole.INITIATOR, scalar=RUN["ya"], own=(RUN["Ya"], b""), other=(point, b""))
    assert (agreed is None) == (name not in ORDINARY)


def test_psk_is_bound_to_the_isk() -> None:
    assert psk_of(RUN["ISK_IR"]) != psk_of(RUN["ISK_SY"])
    assert len(psk_of(b"")) == 32

"""`overlay secret new`: a strong secret that a person can read out."""

from __future__ import annotations

import json
import secrets

import click

from overlay.cli.group import Helpful
from overlay.cli.phrase import RANDOM_BITS, phrase


@click.group(cls=Helpful, epilog="Example: overlay secret new")
def secret() -> None:
    """Make a strong secret that can be read out."""


@secret.command(epilog="Example: overlay secret new > home.secret && chmod 600 home.secret")
@click.option("--json", "as_json", is_flag=True, envvar="OVERLAY_JSON", help="JSON for programs.")
def new(as_json: bool) -> None:
    """A new secret of six words; `join` tells when one of them was misread."""
    words = phrase(secrets.randbits(RANDOM_BITS))
    print(json.dumps({"schema": 1, "secret": words}) if as_json else words)
